package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/connector"
	"tributary/test/tokenserver"
)

func TestAServerThatFailsInEveryWayIsWithstood(t *testing.T) {
	in(t, tokenserver.Config{Life: time.Minute, Grace: 2 * time.Minute, Revoke: true, Seed: 3}, func(r *rig) {
		r.server.Set(tokenserver.Hostility{
			Lost: 0.15, Dropped: 0.1, ServerError: 0.2, Throttled: 0.1, Garbage: 0.1, Redirect: 0.05, Slow: 0.2,
			Delay: 12 * time.Second, Elsewhere: "http://evil.test",
		})
		k := r.keeper("one")
		stop := r.live(k)
		time.Sleep(12 * time.Hour)
		r.server.Set(tokenserver.Hostility{})
		time.Sleep(10 * time.Minute)
		r.token(k)
		stop()
		if err := r.server.Kept(); err != nil {
			r.t.Error(err)
		}
		fired := r.server.Fired()
		for _, f := range []string{"lost", "dropped", "server_error", "server_error_late", "throttled", "garbage", "redirect", "slow", "graced"} {
			if fired[f] < 5 {
				r.t.Errorf("%s happened %d times", f, fired[f])
			}
		}
		r.t.Logf("%v", fired)
	})
}

func TestARefreshThatWasBegunIsFinishedBeforeTheEnd(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		asked := make(chan struct{}, 1)
		r.server.Hook(func(step tokenserver.Step, _ string) {
			if step == tokenserver.Acted {
				select {
				case asked <- struct{}{}:
				default:
				}
				time.Sleep(3 * time.Second) // the answer is on its way
			}
		})
		stop := r.live(k)
		<-asked
		stop()
		if s := r.store.state; s == nil || s.Number != 1 || s.Intent != nil || !r.server.Valid(s.Access) {
			r.t.Errorf("after the end the store holds %+v", s)
		}
	})
}

// A process is frozen after its intent is committed. It wakes up when its time is over,
// and sends nothing.
func TestAProcessThatWasFrozenBeforeItsCallSendsNothing(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		r.store.hook = func(n int, s State) (bool, error) {
			if n == 0 {
				r.store.mu.Lock()
				r.store.state = clone(&s) // it is committed, and its answer is late
				r.store.mu.Unlock()
				time.Sleep(callWithin + time.Second)
				r.die() // meanwhile another one has taken its place
				return false, ErrGone
			}
			return true, nil
		}
		stop := r.live(k)
		time.Sleep(time.Minute)
		stop()
		if n := len(r.server.Requests()); n != 0 {
			r.t.Errorf("%d requests were sent", n)
		}
		// And without another one: the intent is made anew.
		r.store = &memory{}
		slow := true
		r.store.hook = func(int, State) (bool, error) {
			if slow {
				slow = false
				time.Sleep(callWithin + time.Second)
			}
			return true, nil
		}
		k = r.keeper("two")
		stop = r.live(k)
		time.Sleep(20 * time.Second)
		stop()
		if n := len(r.store.commits); n < 3 || r.store.commits[0].Intent == nil || r.store.commits[1].Intent == nil {
			r.t.Errorf("commits %+v", r.store.commits)
		}
		if err := r.server.Kept(); err != nil {
			r.t.Error(err)
		}
	})
}

func TestAnotherSeedInTheConfigWinsOverTheTokenThatIsKept(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		stop := r.live(k)
		time.Sleep(time.Minute)
		stop()
		kept := r.store.state.Refresh
		r.cfg.Seed = r.server.Login() // every token of before is revoked
		k = r.keeper("two")
		stop = r.live(k)
		time.Sleep(time.Second)
		r.token(k)
		stop()
		for _, q := range r.server.Requests() {
			if q.Status != http.StatusOK {
				r.t.Errorf("%+v", q)
			}
		}
		// And the same one does not, although it is spent; nor does none.
		for _, seed := range []string{r.cfg.Seed, ""} {
			r.cfg.Seed = seed
			k = r.keeper("three")
			stop = r.live(k)
			time.Sleep(time.Minute)
			r.token(k)
			stop()
		}
		if err := r.server.Kept(); err != nil {
			r.t.Error(err)
		}
		if r.store.state.Refresh == kept {
			r.t.Error("the token of the first seed is still there")
		}
	})
}

func TestARefusedTokenIsLookedUpOnceMoreForAnotherProcessMayHaveReplacedIt(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		stop := r.live(k)
		time.Sleep(time.Second)
		other := State{Refresh: r.server.Login(), Number: 50, Seed: r.cfg.Digest()}
		r.server.Hook(func(step tokenserver.Step, _ string) {
			if step == tokenserver.Acted { // between our intent and our answer
				r.server.Hook(nil)
				r.store.mu.Lock()
				r.store.state = clone(&other)
				r.store.mu.Unlock()
			}
		})
		time.Sleep(20 * time.Second)
		r.token(k)
		stop()
		if err := r.server.Kept(); err != nil {
			r.t.Error(err)
		}
	})
}

func TestARefusedTokenIsNotSentAgainAndALoginMendsIt(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		stop := r.live(k)
		time.Sleep(time.Second)
		r.server.Revoke("by its owner")
		time.Sleep(time.Hour)
		stop()
		stop = r.live(k) // another life of the lane
		time.Sleep(time.Hour)
		_, err := k.Token(context.Background())
		var again *connector.RetryError
		if !errors.As(err, &again) || again.Reason != connector.RetryUnauthorized || !strings.Contains(err.Error(), "tributary auth login crm") {
			r.t.Errorf("%v", err)
		}
		stop()
		refused := 0
		for _, q := range r.server.Requests() {
			if q.Status == http.StatusBadRequest {
				refused++
			}
		}
		if refused != 1 {
			r.t.Errorf("the refused token was sent %d times", refused)
		}
		r.store.state = &State{Refresh: r.server.Login(), Number: r.store.state.Number + 1, Seed: r.cfg.Digest()}
		stop = r.live(k)
		time.Sleep(time.Second)
		r.token(k)
		stop()
	})
}

// api is an API that takes what the server says is good, and counts.
type api struct {
	mu       sync.Mutex
	valid    func(string) bool
	requests int
	refused  int
}

func (a *api) send(req *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	status := http.StatusOK
	if token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "); !a.valid(token) {
		a.refused++
		status = http.StatusUnauthorized
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: req}, nil
}

func TestATokenThatTheAPIRefusesIsReplacedOnceAndTheRequestSentAgain(t *testing.T) {
	in(t, tokenserver.Config{Life: time.Hour, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		stop := r.live(k)
		defer stop()
		a := &api{valid: r.server.Valid}
		get := func() int {
			req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://api.test/", nil)
			resp, err := k.Send(req, a.send)
			if err != nil {
				r.t.Fatal(err)
			}
			if req.Header.Get("Authorization") != "" {
				r.t.Error("the request itself was changed")
			}
			return resp.StatusCode
		}
		if s := get(); s != 200 {
			r.t.Fatal(s)
		}
		time.Sleep(time.Minute)
		r.server.RevokeAccess() // in the middle of a page of each of 20 collections
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if s := get(); s != 200 {
					r.t.Errorf("%d after the access token was revoked", s)
				}
			})
		}
		wg.Wait()
		if n := r.server.Fired()["refreshed"]; n != 2 || a.refused > 20 {
			r.t.Errorf("%d refreshes, %d answers 401", n, a.refused)
		}
		// An API that refuses every token is not asked for ever, nor is the server.
		a.valid = func(string) bool { return false }
		before := a.requests
		for range 50 {
			time.Sleep(10 * time.Second)
			if s := get(); s != 401 {
				r.t.Errorf("%d from an API that refuses all", s)
			}
		}
		if n := r.server.Fired()["refreshed"]; n != 3 || a.requests-before != 51 {
			r.t.Errorf("%d refreshes, %d requests for 50", n, a.requests-before)
		}
		// When it comes to its senses, so does the source, and a later 401 counts again.
		a.valid = r.server.Valid
		if s := get(); s != 200 {
			r.t.Error(s)
		}
		r.server.RevokeAccess()
		if s := get(); s != 200 {
			r.t.Error(s)
		}
	})
}

func TestWhatAServerSaysOfATokensLife(t *testing.T) {
	for _, c := range []struct {
		says    string
		renewed bool // within two hours, when it would be after 45 minutes
	}{
		{`3600`, true}, {`"3600"`, true}, {`3600.5`, true}, {`3.6e3`, true},
		{`null`, false}, {`-5`, false}, {`0`, false}, {`"soon"`, false}, {`{}`, false}, {`1e300`, false}, {`[3600]`, false},
	} {
		in(t, tokenserver.Config{Life: 24 * time.Hour, ExpiresIn: c.says, Revoke: true}, func(r *rig) {
			k := r.keeper("one")
			stop := r.live(k)
			time.Sleep(2 * time.Hour)
			r.token(k)
			stop()
			if n := r.server.Fired()["refreshed"]; (n > 1) != c.renewed {
				r.t.Errorf("expires_in %s: %d refreshes", c.says, n)
			}
			if r.store.state.Refresh == r.cfg.Seed {
				r.t.Errorf("expires_in %s: the new refresh token was dropped", c.says)
			}
		})
	}
}

func TestAServerThatDoesNotRotateKeepsItsToken(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Fixed: true}, func(r *rig) {
		k := r.keeper("one")
		stop := r.live(k)
		time.Sleep(time.Minute)
		r.token(k)
		stop()
		if r.store.state.Refresh != r.cfg.Seed || r.store.state.Number < 5 {
			r.t.Errorf("%+v", r.store.state)
		}
	})
}

func TestClientCredentialsNeedNoStore(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second}, func(r *rig) {
		r.cfg.Flow, r.cfg.Seed = ClientCredentials, ""
		k := r.keeper("one")
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx, nil) }()
		for range 100 {
			time.Sleep(time.Second)
			r.token(k)
		}
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		if n := r.server.Fired()["refreshed"]; n < 12 || n > 15 {
			r.t.Errorf("%d tokens in 100 s", n)
		}
	})
}

func TestASourceWithoutATokenSaysHowToGetOne(t *testing.T) {
	in(t, tokenserver.Config{}, func(r *rig) {
		r.cfg.Seed = ""
		k := r.keeper("one")
		stop := r.live(k)
		defer stop()
		time.Sleep(time.Second)
		if _, err := k.Token(context.Background()); err == nil || !strings.Contains(err.Error(), "tributary auth login crm") {
			r.t.Errorf("%v", err)
		}
		if n := len(r.server.Requests()); n != 0 {
			r.t.Errorf("%d requests without a token", n)
		}
	})
}
