//go:build unix

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
	"tributary/test/tokenserver"
)

const sealKey = "6c0f8f5e4d3c2b1a09f8e7d6c5b4a3928170695847362514a3b2c1d0e9f80716"

// newOAuthRig is a rig whose API wants the access tokens of a token server, and whose
// source has a refresh token.
func newOAuthRig(t *testing.T, cfg tokenserver.Config, api hostile.Config) (*rig, *tokenserver.Listener) {
	t.Helper()
	return newOAuthRigOn(t, kafkatest.Shared(t), cfg, api)
}

func newOAuthRigOn(t *testing.T, b *kafkatest.Broker, cfg tokenserver.Config, api hostile.Config) (*rig, *tokenserver.Listener) {
	t.Helper()
	tokens, err := tokenserver.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tokens.Close() })
	api.Authorize = tokens.Server.Valid
	r := newRigOn(t, b, api)
	r.config.seal = fmt.Sprintf("{keys: [{id: k1, key: %q}]}", sealKey)
	r.config.sources[0].auth = oauthConfig(tokens, "refresh_token: "+quoted(tokens.Server.Seed()))
	return r, tokens
}

func oauthConfig(tokens *tokenserver.Listener, more ...string) string {
	return fmt.Sprintf("{oauth2: {flow: refresh_token, token_url: %q, client_id: client, client_secret: client-secret-of-the-test, %s}}",
		tokens.URL+"/token", strings.Join(more, ", "))
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

func TestASourceWithARotatingTokenIsReadOverManyOfThem(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 2 * time.Second, Revoke: true}, hostile.Config{Collections: []string{"people", "accounts"}})
	r.api.Insert("people", 200)
	p := r.run()
	r.write(50, 8*time.Second, 71)
	r.api.Quiesce()
	r.converge(r.oracle("people", "accounts"), soon)
	r.right("people", "accounts")
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
	eventually(t, soon, "there were many of them", func() bool { return tokens.Server.Fired()["refreshed"] >= 4 })
	fired := tokens.Server.Fired()
	if fired["reused"]+fired["graced"] > 0 {
		t.Errorf("the token server saw %v", fired)
	}
	t.Logf("%v; commit took %.1f ms on the average", fired,
		1000*p.metric("tributary_oauth_commit_seconds_sum")/p.metric("tributary_oauth_commit_seconds_count"))
	p.stop()
	// What comes next goes on with the token that is kept: the seed is spent.
	p = r.run("--until-caught-up")
	if code := p.wait(soon); code != 0 {
		t.Errorf("ended with code %d", code)
	}
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
}

// Killed every other second, whatever it is doing, and every few of these lives get a new
// token: the account is kept where the server has a period of grace.
func TestKilledAgainAndAgainTheAccountIsKept(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 10 * time.Second, Grace: time.Minute, Revoke: true},
		hostile.Config{Collections: []string{"people", "accounts"}})
	// Some kills fall between the answer and its commit.
	tokens.Server.Set(tokenserver.Hostility{Slow: 1, Delay: 400 * time.Millisecond, Lost: 0.1, Dropped: 0.05, ServerError: 0.1, Throttled: 0.05, Garbage: 0.05})
	r.api.Insert("people", 200)
	stop := r.writing(50, 72)
	began := time.Now()
	lives := 0
	// A machine that is slow to start them gets a token less often.
	for ; time.Since(began) < 2*phase() || lives < 60 && tokens.Server.Fired()["refreshed"] < 4; lives++ {
		p := r.run()
		time.Sleep(2 * time.Second)
		p.kill()
	}
	tokens.Server.Set(tokenserver.Hostility{})
	last := r.run()
	stop()
	r.api.Quiesce()
	last.says(soon, `msg="caught up"`)
	r.converge(r.oracle("people", "accounts"), soon)
	r.right("people", "accounts")
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
	fired := tokens.Server.Fired()
	t.Logf("%d lives, %v", lives, fired)
	if fired["refreshed"] < 4 {
		t.Errorf("the token server saw %v", fired)
	}
}

// Client credentials need no key and no login, and every command has them.
func TestASourceWithClientCredentialsIsRead(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 2 * time.Second, Style: "body"}, hostile.Config{Collections: []string{"people"}})
	r.config.seal = ""
	r.config.sources[0].auth = strings.Replace(oauthConfig(tokens, "auth_style: body"), "refresh_token", "client_credentials", 1)
	r.api.Insert("people", 100)
	began := time.Now()
	p := r.run()
	r.write(50, 6*time.Second, 73)
	r.api.Quiesce()
	r.converge(r.oracle("people"), soon)
	r.right("people")
	eventually(t, soon, "it got token after token", func() bool { return tokens.Server.Fired()["refreshed"] >= 4 })
	p.stop()
	took := time.Since(began)
	if n := tokens.Server.Fired()["refreshed"]; n > 3+int(took/(1500*time.Millisecond)) {
		t.Errorf("%d tokens of 2 s in %s", n, took)
	}
	if code, out, log := r.command("preview", "crm.people"); code != 0 || !strings.Contains(log, "records on the page") {
		t.Errorf("preview ended with code %d\n%s%s", code, out, log)
	}
	if code, _, log := r.command("auth", "login", "crm"); code != 2 || !strings.Contains(log, "nobody logs in") {
		t.Errorf("auth login ended with code %d\n%s", code, log)
	}
	tokens.Server.RevokeAccess()
	if s := r.tokenStatus(); s.State != "own" {
		t.Errorf("%+v", s)
	}
	for _, rec := range r.records(r.offsets()) {
		if strings.Contains(string(rec.Key), `"auth"`) {
			t.Errorf("%s is kept", rec.Key)
		}
	}
}
