package oauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/test/tokenserver"
)

// die makes the process of a keeper end at a point: nothing that it does from then on
// reaches anybody.
func (r *rig) die() {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.lives++
	r.store.hook = nil
}

// crash runs a process that dies at the commit or the call of a number, and another one
// after it, and returns whether the first one died after the server had acted.
func (r *rig) crash(at int, where tokenserver.Step) (spent bool) {
	r.t.Helper()
	k := r.keeper("one")
	n := 0
	died := false
	point := func() bool {
		if n++; n-1 == at && !died {
			died = true
			r.die()
		}
		return died
	}
	switch where {
	case "":
		r.store.hook = func(int, State) (bool, error) {
			if point() {
				return false, fmt.Errorf("dead: %w", ErrGone)
			}
			return true, nil
		}
	default:
		r.server.Hook(func(step tokenserver.Step, _ string) {
			if step != where || died {
				return
			}
			if point(); died && step == tokenserver.Received {
				panic(http.ErrAbortHandler) // it never got there
			}
		})
	}
	stop := r.live(k)
	time.Sleep(40 * time.Second)
	stop()
	if !died {
		r.t.Fatalf("it did not die at %s %d", where, at)
	}
	r.server.Hook(nil)
	used := false
	for _, q := range r.server.Requests() {
		used = used || q.Refresh == r.store.state.refresh() && q.Status != 0
	}
	return used
}

func (s *State) refresh() string {
	if s == nil {
		return ""
	}
	return s.Refresh
}

func TestACrashAtEachStepLosesNothingWhereTheServerHasAPeriodOfGrace(t *testing.T) {
	spent := 0
	for _, where := range []tokenserver.Step{"", tokenserver.Received, tokenserver.Acted} {
		for at := range 6 {
			in(t, tokenserver.Config{Life: 10 * time.Second, Grace: 2 * time.Minute, Revoke: true}, func(r *rig) {
				if r.crash(at, where) {
					spent++
				}
				k := r.keeper("two")
				stop := r.live(k)
				time.Sleep(time.Second)
				r.token(k)
				time.Sleep(time.Minute)
				r.token(k)
				stop()
				if err := r.server.Kept(); err != nil {
					r.t.Errorf("died at %q %d: %v\n%s", where, at, err, r.said())
				}
			})
		}
	}
	if spent < 5 {
		t.Errorf("only %d of the crashes fell between the answer and its commit", spent)
	}
}

func TestACrashLosesTheAccountOnlyBetweenTheAnswerAndItsCommitAndThenItIsSaid(t *testing.T) {
	lost := 0
	for _, where := range []tokenserver.Step{"", tokenserver.Received, tokenserver.Acted} {
		for at := range 6 {
			in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
				spent := r.crash(at, where)
				k := r.keeper("two")
				stop := r.live(k)
				defer stop()
				time.Sleep(time.Minute)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, err := k.Token(ctx)
				kept := r.server.Kept()
				switch {
				case !spent && (err != nil || kept != nil):
					r.t.Errorf("died at %q %d, before the server had the token: %v, %v\n%s", where, at, err, kept, r.said())
				case spent && (err == nil || kept == nil):
					r.t.Errorf("died at %q %d, after the server had the token, and nothing is lost: the test shows nothing", where, at)
				case spent:
					lost++
					for _, says := range []string{"process one had sent it", "tributary auth login crm"} {
						if !strings.Contains(err.Error(), says) {
							r.t.Errorf("it is not said that %q: %v", says, err)
						}
					}
					if n := r.server.Fired()["reused"]; n != 1 {
						r.t.Errorf("the old token was sent %d times again", n)
					}
				}
			})
		}
	}
	if lost == 0 {
		t.Error("no account was lost: the test shows nothing")
	}
}

// The access token is of use for as long as it lasts, although the refresh token is spent:
// here the server refuses a token that is used again and takes nothing else back.
func TestAfterACrashTheSourceLivesOnTheAccessTokenForAsLongAsItLasts(t *testing.T) {
	in(t, tokenserver.Config{Life: time.Hour}, func(r *rig) {
		k := r.keeper("one")
		r.store.hook = func(n int, s State) (bool, error) {
			if n == 3 { // the second token
				r.die()
				return false, ErrGone
			}
			return true, nil
		}
		stop := r.live(k)
		time.Sleep(46 * time.Minute)
		stop()
		k = r.keeper("two")
		stop = r.live(k)
		time.Sleep(time.Second)
		r.token(k)
		if !strings.Contains(r.said(), "reauth required soon") {
			r.t.Errorf("nothing was said:\n%s", r.said())
		}
		time.Sleep(15 * time.Minute)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := k.Token(ctx); err == nil || !strings.Contains(err.Error(), "tributary auth login crm") {
			r.t.Errorf("when it has ended: %v", err)
		}
		stop()
		if n := r.server.Fired()["reused"]; n != 1 {
			r.t.Errorf("the spent token was sent %d times again", n)
		}
		// A person logs in, and the lane is acquired anew.
		fresh := State{Refresh: r.server.Login(), Seed: r.cfg.Digest(), Number: 99}
		if err := r.store.life().Commit(fresh); err != nil {
			r.t.Fatal(err)
		}
		stop = r.live(k)
		time.Sleep(time.Second)
		r.token(k)
		stop()
	})
}

// Periods of grace are short: whatever is left of the access token's life, the old refresh
// token is sent at once.
func TestAStartAfterACrashSendsTheOldTokenAtOnce(t *testing.T) {
	in(t, tokenserver.Config{Life: time.Hour, Grace: 30 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		stop := r.live(k)
		time.Sleep(10 * time.Minute)
		stop()
		r.store.state.Intent = &Intent{Lasts: intentLasts, Run: "one"}
		k = r.keeper("two")
		stop = r.live(k)
		defer stop()
		time.Sleep(time.Second)
		if n := r.server.Fired()["refreshed"]; n != 2 {
			r.t.Errorf("%d refreshes a second after the start", n)
		}
	})
}
