package rest

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tributary/connector"
)

// follow fetches a page and returns the exchanges that it took.
func (b *bundle) follow(q connector.Query) (all []Exchange, err error) {
	_, err = b.Fetch(WithTrace(b.t.Context(), func(x Exchange) { all = append(all, x) }), q)
	return all, err
}

func TestAnExchangeIsToldAsItWent(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Our CA")
	page := `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z","name":"` + strings.Repeat("x", 5000) + `"}]}`
	b := over(t, &tls.Config{Certificates: []tls.Certificate{ca.server(nil)}}, &tls.Config{RootCAs: ca.pool()}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/people" {
			http.Redirect(w, r, "/v3/people?"+r.URL.RawQuery, http.StatusFound)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Ratelimit-Remaining", "17")
		w.Write(zipped(page))
	})
	all, err := b.follow(everything)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d exchanges, %v", len(all), err)
	}
	first, second := all[0], all[1]
	if first.Status != 302 || first.Reused || first.Timings.TLS <= 0 || first.Timings.Connect <= 0 || first.Timings.Wait <= 0 || first.Remote == "" {
		t.Errorf("the first is %+v", first)
	}
	if second.Status != 200 || !second.Reused || second.Timings.TLS != 0 || second.Proto != "HTTP/2.0" || second.Body != page ||
		second.Decoded != int64(len(page)) || second.Received != int64(len(zipped(page))) || second.Cut || second.Header.Get("X-Ratelimit-Remaining") != "17" {
		t.Errorf("the second is %+v", second)
	}
	if got := first.Sent.Get(":path"); !strings.HasPrefix(got, "/v2/people?") {
		t.Errorf("sent %q", first.Sent)
	}
	if second.Timings.Total() <= 0 || second.Timings.Total() < second.Timings.Wait {
		t.Errorf("it took %v", second.Timings)
	}
}

func TestAnExchangeThatFailsIsToldTo(t *testing.T) {
	t.Parallel()
	all, err := asking(t, &httptest.Server{URL: "http://127.0.0.1:1"}, NewTransport(nil)).follow(everything)
	if err == nil || len(all) != 1 || all[0].Status != 0 || !strings.Contains(all[0].Err, "refused") {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestATraceHidesWhatIsSecretOrNamedLikeIt(t *testing.T) {
	t.Parallel()
	const theirs = "theirs-0987654321" // a secret that we do not know
	for name, auth := range map[string]*Auth{"bearer": {Bearer: canary}, "header": {HeaderName: "X-Team", Header: canary}, "basic": {Username: "u", Password: canary}} {
		b := setup(t, func(base string) Config {
			c := plain(base)
			c.Auth, c.Headers = auth, http.Header{"X-Other-Token": {theirs}}
			c.Params.Set("sig", theirs[:7])
			return c
		}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "sid="+theirs)
			w.Header().Set("X-Session-Id", theirs)
			w.Header().Set("Link", "<https://x/?page=2&access_token="+theirs+`>; rel="next"`)
			w.Header().Set("X-Echo", r.Header.Get("Authorization")+r.Header.Get("X-Team")+r.URL.RawQuery)
			fmt.Fprintf(w, `{"data":[],"access_token":%q,"refreshToken" : "%s\"x","client_secret":%q,"password":"%s`, theirs, theirs, theirs, theirs)
		})
		all, _ := b.follow(everything)
		if len(all) != 1 {
			t.Fatalf("%s: %d exchanges", name, len(all))
		}
		text, err := json.Marshal(all[0])
		if err != nil {
			t.Fatal(err)
		}
		noCanary(t, string(text))
		if strings.Contains(string(text), theirs[:7]) || !strings.Contains(string(text), hidden) || !strings.Contains(all[0].Body, `{"data":[]`) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestALongBodyIsCutInATraceAndNotInThePage(t *testing.T) {
	t.Parallel()
	b := setup(t, func(base string) Config {
		c := plain(base)
		c.MaxBody, c.MaxCompressed = 64<<20, 64<<20
		return c
	}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(zipped(`{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z","x":"` + strings.Repeat("x", 2*maxTraced) + `"}]}`))
	})
	all, err := b.follow(everything)
	if err != nil || !all[0].Cut || len(all[0].Body) > maxTraced {
		t.Errorf("%v, %d bytes", err, len(all[0].Body))
	}
}

func FuzzAMaskKeepsWhatIsKnownOut(f *testing.F) {
	f.Add(`{"access_token":"`, `","x":1}`, "Link")
	f.Add(`https://u:`, `@x/?token=`, "Set-Cookie")
	f.Add(`"password":"\`, `"`, "X")
	s := newScrubber(&Config{Auth: &Auth{Bearer: canary}})
	f.Fuzz(func(t *testing.T, before, after, name string) {
		x := Exchange{URL: before + canary + after, Body: before + canary + after, Sent: http.Header{name: {before + canary + after}}, Err: canary}
		x.mask(s)
		if text := fmt.Sprintf("%+v", x); strings.Contains(text, canary) || !strings.Contains(before+after, canary) && strings.Contains(x.Body, canary[7:]) && !strings.Contains(before+after, canary[7:]) {
			t.Fatal(text)
		}
	})
}

func TestWithoutATraceNothingIsKept(t *testing.T) {
	t.Parallel()
	s := &sender{next: transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{Body: io.NopCloser(strings.NewReader(""))}, nil
	})}
	resp, err := s.traced(httptest.NewRequest(http.MethodGet, "/", nil))
	if _, kept := resp.Body.(*tracedBody); err != nil || kept {
		t.Errorf("%v, the body is followed", err)
	}
}

func TestWhatIsSentInABodyIsTraced(t *testing.T) {
	t.Parallel()
	var told []Exchange
	s := &sender{scrub: newScrubber(&Config{Auth: &Auth{Bearer: canary}}), next: transport(func(r *http.Request) (*http.Response, error) {
		sent, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(sent), "2024") {
			t.Errorf("sent %q, %v", sent, err)
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})}
	req, err := http.NewRequestWithContext(WithTrace(t.Context(), func(x Exchange) { told = append(told, x) }), http.MethodPost, "https://api.test/search",
		strings.NewReader(`{"since":"2024-01-01","api_key":"theirs","note":"`+canary+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.traced(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(told) != 1 || told[0].RequestBody != `{"since":"2024-01-01","api_key":"[hidden]","note":"[hidden]"}` {
		t.Errorf("got %+v", told)
	}
}
