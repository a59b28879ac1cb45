package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tributary/connector"
)

func TestAnAnswerThatIsNoPage(t *testing.T) {
	t.Parallel()
	at := date.Add(90 * time.Second).Format(http.TimeFormat)
	for _, c := range []struct {
		name   string
		status int
		after  string // Retry-After
		body   string
		reason connector.RetryReason
		wait   time.Duration
		says   []string
	}{
		{"throttled for seconds", 429, "7", ``, connector.RetryThrottled, 7 * time.Second, []string{"429"}},
		{"throttled until a date", 429, at, ``, connector.RetryThrottled, 90 * time.Second, nil},
		{"throttled without a word", 429, "", `{"error":"API rate limit exceeded"}`, connector.RetryThrottled, 18 * time.Second, []string{"API rate limit exceeded", "budget"}},
		{"throttled with rubbish", 429, "soon", ``, connector.RetryThrottled, 18 * time.Second, nil},
		{"unavailable for seconds", 503, "2.5", ``, connector.RetryThrottled, 2500 * time.Millisecond, nil},
		{"unavailable", 503, "", `<html>sorry</html>`, connector.RetryServer, 0, []string{"503", "sorry"}},
		{"a limit that is called forbidden", 403, "60", ``, connector.RetryThrottled, time.Minute, nil},
		{"an error of the server", 500, "", ``, connector.RetryServer, 0, []string{"500"}},
		{"an error of the server that says when", 502, "3", ``, connector.RetryServer, 3 * time.Second, nil},
		{"unauthorized", 401, "", `{"error":"invalid token ` + canary + `"}`, connector.RetryUnauthorized, 0, []string{"renew auth", "invalid token [hidden]"}},
		{"forbidden", 403, "", `{"message":"no scope"}`, connector.RetryRefused, 0, []string{"no scope", "scope"}},
		{"not found", 404, "", ``, connector.RetryRefused, 0, []string{"path"}},
		{"a bound it does not take", 422, "", `{"errors":{"updated_at":["is invalid"]}}`, connector.RetryRefused, 0, []string{"is invalid", "tick"}},
		{"a bad request", 400, "", `{"error":{"message":"bad"}}`, connector.RetryRefused, 0, []string{"(bad)", "tick"}},
		{"no content", 204, "", ``, connector.RetryRefused, 0, []string{"204"}},
		{"not modified", 304, "", ``, connector.RetryRefused, 0, []string{"304"}},
		{"control characters", 418, "", "tea\x00pot\x1b[31m\n\u202Ered", connector.RetryRefused, 0, []string{"(tea pot [31m red)"}},
		{"escaped secrets", 418, "", `key ` + strings.ReplaceAll(canary, "/", `\/`) + ` and ` + strings.ReplaceAll(canary, "+", "%2B"), connector.RetryRefused, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, plain, func(w http.ResponseWriter, _ *http.Request) {
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			})
			if r := b.retry(c.reason, c.says...); max(r.After, r.AtMost) != c.wait {
				t.Errorf("it waits %v or at most %v, want %v", r.After, r.AtMost, c.wait)
			}
		})
	}
}

func TestForbiddenIsThrottledWhereTheAnswerSaysThatNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		left   string
		reason connector.RetryReason
		wait   time.Duration
	}{
		{"0", connector.RetryThrottled, 40 * time.Second},
		{"17", connector.RetryRefused, 0},
		{"", connector.RetryRefused, 0},
	} {
		b := setup(t, plain, func(w http.ResponseWriter, _ *http.Request) {
			if c.left != "" {
				w.Header().Set("X-RateLimit-Remaining", c.left)
				w.Header().Set("X-RateLimit-Reset", fmt.Sprint(date.Add(40*time.Second).Unix()))
			}
			w.WriteHeader(http.StatusForbidden)
		})
		if r := b.retry(c.reason); r.After != c.wait {
			t.Errorf("with %q left it waits %v, want %v", c.left, r.After, c.wait)
		}
	}
}

func TestALongErrorIsCutAndStillHidesSecrets(t *testing.T) {
	t.Parallel()
	for shift := range 60 {
		// The secret lies across the end of what is read, or of what is shown.
		for _, at := range []int{maxExcerpt, maxError} {
			text := strings.Repeat("é", (at-shift)/2) + canary + strings.Repeat("y", 200)
			s := newScrubber(&Config{Auth: &Auth{Bearer: canary}})
			got := s.excerpt(text[:min(len(text), maxError)], len(text) > maxError, maxExcerpt)
			if n := len([]rune(got)); n > maxExcerpt+1 || strings.Contains(got, "ak+") {
				t.Fatalf("shift %d: %d characters: %s", shift, n, got)
			}
		}
	}
	b := setup(t, plain, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(400)
		w.Write(zipped("bomb" + strings.Repeat(" x", 1<<22)))
	})
	if r := b.retry(connector.RetryRefused, "bomb"); len(r.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(r.Error()))
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	credentials := map[string]*Auth{"Authorization": {Bearer: canary}, "X-Api-Key": {HeaderName: "x-api-key", Header: canary}, "basic": {Username: "u", Password: canary}}
	for name, auth := range credentials {
		t.Run("to another server takes no "+name, func(t *testing.T) {
			t.Parallel()
			reached := false
			other := httptest.NewServer(dated(func(http.ResponseWriter, *http.Request) { reached = true }))
			t.Cleanup(other.Close)
			b := setup(t, func(base string) Config {
				c := plain(base)
				c.Auth = auth
				return c
			}, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL+"/v2/people?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			})
			b.retry(connector.RetryRefused, "307", other.URL)
			if reached {
				t.Error("the other server was asked")
			}
		})
	}
	for _, c := range []struct {
		name, to string
	}{
		{"to another scheme", "https://%s/v2/people"},
		{"with a credential in the address", "http://u:" + "p@%s/v2/people"},
		{"to a file", "file:///etc/passwd?%s"},
		{"to nowhere", "http://[::bad/%s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", fmt.Sprintf(c.to, r.Host)+"?"+r.URL.RawQuery)
				w.WriteHeader(302)
			})
			if _, err := b.Fetch(t.Context(), everything); err == nil {
				t.Error("it was followed")
			} else {
				noCanary(t, err.Error())
			}
		})
	}
	t.Run("on one server are followed with the credential", func(t *testing.T) {
		t.Parallel()
		b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+canary {
				w.WriteHeader(401)
			} else if r.URL.Path == "/v2/people" {
				http.Redirect(w, r, "/v3/people?"+r.URL.RawQuery, http.StatusMovedPermanently)
			} else {
				write(`{"data":[]}`)(w, r)
			}
		})
		if _, err := b.Fetch(t.Context(), everything); err != nil {
			t.Error(err)
		}
	})
	t.Run("that lose the query are not followed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/people" {
				http.Redirect(w, r, "/v2/people/", http.StatusMovedPermanently)
			} else {
				write(`{"data":[]}`)(w, r)
			}
		})
		b.retry(connector.RetryRefused, "301")
	})
	t.Run("in a circle end", func(t *testing.T) {
		t.Parallel()
		b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/v2/people?"+r.URL.RawQuery, http.StatusFound)
		})
		b.retry(connector.RetryRefused, "302")
	})
}

func TestTheHeadersOfAnAnswerAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
		write(`{"data":[]}`)(w, r)
	})
	b.retry(connector.RetryNetwork)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true}, {" 120 ", 2 * time.Minute, true}, {"1.5", 1500 * time.Millisecond, true}, {"-7", 0, true}, {"+3", 3 * time.Second, true},
		{"1000000000", time.Hour, true}, {strings.Repeat("9", 400), time.Hour, true}, {"-" + strings.Repeat("9", 400), 0, true},
		{"", 0, false}, {".", 0, false}, {"-", 0, false}, {"--1", 0, false}, {"1.2.3", 0, false}, {"1e3", 0, false}, {"0x10", 0, false}, {"inf", 0, false}, {"NaN", 0, false}, {"1_0", 0, false}, {"5s", 0, false},
		{date.Add(time.Minute).Format(http.TimeFormat), time.Minute, true},
		{date.Add(-time.Minute).Format(http.TimeFormat), 0, true},
		{date.AddDate(50, 0, 0).Format(http.TimeFormat), time.Hour, true},
		{date.Add(time.Minute).Format(time.ANSIC), time.Minute, true},
		{date.Add(time.Minute).Format(time.RFC3339), 0, false},
	} {
		if got, ok := retryAfter(c.value, date); got != c.want || ok != c.ok {
			t.Errorf("%.40q: got %v %v, want %v %v", c.value, got, ok, c.want, c.ok)
		}
	}
	if _, ok := retryAfter(date.Format(http.TimeFormat), time.Time{}); ok {
		t.Error("a date was measured against nothing")
	}
}

func TestAKeyThatIsGivenAsTheNameIsHidden(t *testing.T) {
	t.Parallel()
	b := setup(t, func(base string) Config {
		c := plain(base)
		c.Params, c.Auth = nil, &Auth{Username: canary}
		return c
	}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(401)
		w.Write([]byte(`{"error":"no such key: ` + canary + `"}`))
	})
	b.retry(connector.RetryUnauthorized, "no such key: [hidden]")
}
