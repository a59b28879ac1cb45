//go:build unix

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tributary/test/hostile"
	"tributary/test/tokenserver"
)

// written are the ways in which a secret may stand in a text.
func written(secret string) []string {
	query := url.QueryEscape(secret)
	forms := []string{
		secret, query, strings.ToLower(query), url.PathEscape(secret), strings.ReplaceAll(secret, "/", `\/`),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		base64.StdEncoding.EncodeToString([]byte("client:" + query)), hex.EncodeToString([]byte(query)), url.QueryEscape(query),
	}
	// In base64 within something longer, what surrounds it moves it by up to two bytes:
	// the middle of it does not depend on what surrounds it.
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for _, plain := range []string{secret, query} {
				text := enc.EncodeToString(append(make([]byte, shift), plain...))
				forms = append(forms, text[4:len(text)-4])
			}
		}
	}
	return forms
}

// echoes is in how many ways the API repeats what it was sent.
const echoes = 5

func leaks(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range written(s) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s holds the secret %s as %q: …%s…", where, s, form, text[max(0, i-200):min(len(text), i+len(form)+100)])
				return
			}
		}
	}
}

func TestWhereSecretsHideIsSeen(t *testing.T) {
	const s = "refresh/0123456789abcdef+0123456789abcdef="
	escaped := url.QueryEscape(s)
	for _, text := range []string{
		base64.StdEncoding.EncodeToString([]byte("i:" + escaped + "z")), hex.EncodeToString([]byte("i:" + escaped)),
		"x" + s + "y", url.Values{"a": {s}}.Encode(), base64.StdEncoding.EncodeToString([]byte("id:" + s)), base64.URLEncoding.EncodeToString([]byte("i:" + s + "zz")),
		fmt.Sprintf("%x", s), strings.ReplaceAll(s, "/", `\/`), fmt.Sprintf("%q", s),
	} {
		found := false
		for _, form := range written(s) {
			found = found || strings.Contains(text, form)
		}
		if !found {
			t.Errorf("not seen in %s", text)
		}
	}
}

// A run in which the token endpoint and the API repeat what they were sent, in every way
// that a server has, with everything on that prints: no secret is anywhere.
func TestNoSecretIsInAnythingThatAHostileRunPrints(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 2 * time.Second, Grace: time.Minute, Style: "header"}, hostile.Config{Collections: []string{"people"}})
	r.api.Insert("people", 100)
	var echoed atomic.Int64
	var always atomic.Int64 // which of the echoes every answer is; negative: one of four is any
	always.Store(-1)
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n := rand.IntN(4 * echoes)
		if a := always.Load(); a >= 0 {
			n = int(a)
		}
		if n >= echoes {
			r.api.ServeHTTP(w, req)
			return
		}
		echoed.Add(1)
		sent := req.Header.Get("Authorization")
		token := strings.TrimPrefix(sent, "Bearer ")
		for i, form := range written(token) {
			w.Header().Set(fmt.Sprintf("X-Echo-%d", i), form)
		}
		switch n {
		case 0:
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"error": "token %s is not valid", "message": %q}`, token, sent)
		case 1:
			w.Header().Set("Location", "http://127.0.0.1:1/?token="+url.QueryEscape(token))
			w.WriteHeader(302)
		case 2:
			w.WriteHeader(500)
			fmt.Fprintf(w, "<html>%s %s</html>", sent, url.QueryEscape(token))
		case 3:
			fmt.Fprintf(w, `{"data": "%s"`, token)
		case 4:
			w.WriteHeader(422)
			fmt.Fprintf(w, `{"errors": {"%s": ["%s"]}}`, token, base64.StdEncoding.EncodeToString([]byte(token)))
		}
	}))
	t.Cleanup(echo.Close)
	r.config.sources[0].url = echo.URL + "/v2"
	r.config.log = "{level: debug}"
	hostility := tokenserver.Hostility{Lost: 0.08, Dropped: 0.08, ServerError: 0.24, Throttled: 0.12, Garbage: 0.12, Redirect: 0.16, Elsewhere: echo.URL}
	tokens.Server.Set(hostility)

	texts := map[string]string{}
	keep := func(p *process, what string) {
		_, metrics := p.get("/metrics")
		texts[what+" stdout"], texts[what+" stderr"], texts[what+" metrics"] = p.out.String(), p.log.String(), metrics
	}
	run := func(what string, args ...string) (out string) {
		t.Helper()
		code, out, log := r.command(args...)
		nth := fmt.Sprintf("%s (%d)", what, len(texts)) // some are run again
		texts[nth+" stdout"], texts[nth+" stderr"] = out, log
		t.Logf("%s: code %d, %d bytes", what, code, len(out)+len(log))
		return out
	}
	wanted := []string{"refreshed", "throttled", "garbage", "redirect", "server_error", "server_error_late", "lost", "dropped"}
	missing := func() (names []string) {
		fired := tokens.Server.Fired()
		for _, f := range wanted {
			if fired[f] == 0 {
				names = append(names, f)
			}
		}
		return names
	}
	for life := 0; life < 4 || life < 20 && (len(missing()) > 0 || echoed.Load() < 10); life++ {
		p := r.run()
		r.write(50, phase()/5, uint64(life))
		keep(p, fmt.Sprintf("life %d", life))
		p.kill()
	}
	p := r.run()
	p.says(soon, "lane acquired")
	// Whoever shows the API's answers meets each of its echoes with a token that is good.
	tokens.Server.Set(tokenserver.Hostility{})
	for n := range int64(echoes) {
		always.Store(n)
		for _, form := range []string{"table", "json"} {
			eventually(t, soon, fmt.Sprintf("preview --request shows echo %d", n), func() bool {
				return strings.Contains(run(fmt.Sprintf("preview --request of echo %d", n), "preview", "crm.people", "--request", "-o", form), "X-Echo-1")
			})
		}
		run(fmt.Sprintf("check of echo %d", n), "check")
	}
	always.Store(-1)
	tokens.Server.Set(hostility)
	for i := range 5 { // some of them at a bad moment
		run(fmt.Sprintf("preview %d", i), "preview", "crm.people")
		run(fmt.Sprintf("preview --request %d", i), "preview", "crm.people", "--request", "-o", "json")
		run(fmt.Sprintf("check %d", i), "check")
	}
	run("state show", "state", "show")
	run("state show -o json", "state", "show", "-o", "json")
	run("state export", "state", "export")
	run("auth status", "auth", "status")
	run("auth status -o json", "auth", "status", "-o", "json")
	run("verify", "verify", "-o", "json")
	run("validate", "validate")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(tokens.Server.Login()), 0o600); err != nil {
		t.Fatal(err)
	}
	run("auth import", "auth", "import", "crm", "--file", file)
	run("auth import of rubbish", "auth", "import", "crm", "--file", os.Args[0])
	tokens.Server.Revoke("by its owner")
	p.says(soon, "reauth required")
	keep(p, "the end")
	p.stop()
	r.config.seal = strings.Replace(r.config.seal, "6c0f", "7c0f", 1)
	run("auth status with a wrong key", "auth", "status")
	p = r.run()
	p.says(soon, "cannot be opened by key")
	keep(p, "a wrong key")
	p.stop()
	r.config.sources[0].auth = strings.Replace(r.config.sources[0].auth, "flow:", "flaw:", 1)
	run("a wrong config", "validate")

	for _, topic := range []string{r.offsets(), r.topic("people")} {
		var all strings.Builder
		for _, rec := range r.records(topic) {
			fmt.Fprintf(&all, "%s\n%s\n", rec.Key, rec.Value)
			for _, h := range rec.Headers {
				fmt.Fprintf(&all, "%s: %s\n", h.Key, h.Value)
			}
		}
		texts["topic "+topic] = all.String()
	}
	secrets := append(tokens.Server.Secrets(), sealKey)
	total := 0
	for where, text := range texts {
		leaks(t, where, text, secrets)
		total += len(text)
	}
	if names := missing(); len(names) > 0 {
		t.Errorf("the token server never did %v", names)
	}
	if echoed.Load() < 10 || total < 50_000 {
		t.Errorf("%d echoes in %d bytes show nothing", echoed.Load(), total)
	}
	t.Logf("%d secrets are not in %d texts of %d bytes; %d echoes, %v", len(secrets), len(texts), total, echoed.Load(), tokens.Server.Fired())
}
