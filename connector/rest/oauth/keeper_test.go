package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/test/tokenserver"
)

// A rig is a keeper between a token server and a store, in virtual time.
type rig struct {
	t      *testing.T
	server *tokenserver.Server
	store  *memory
	log    *strings.Builder
	mu     sync.Mutex
	cfg    Config
}

func newRig(t *testing.T, cfg tokenserver.Config) *rig {
	r := &rig{t: t, server: tokenserver.New(cfg), store: &memory{}, log: &strings.Builder{}}
	r.cfg = Config{Source: "crm", Flow: RefreshToken, TokenURL: "http://login.test/token", ClientID: "client", ClientSecret: "client-secret-of-the-test", Seed: r.server.Seed(), Style: InHeader}
	return r
}

// RoundTrip is the network between the keeper and the token server.
func (r *rig) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if recover() != nil {
			resp, err = nil, errors.New("the connection broke")
		}
	}()
	httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, req)
	if req.Context().Err() != nil {
		return nil, context.Cause(req.Context())
	}
	return w.Result(), nil
}

// Write takes the log.
func (r *rig) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *rig) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *rig) keeper(run string) *Keeper {
	log := slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
	end := NewEndpoint(&r.cfg, r)
	return NewKeeper(r.cfg, run, end, log, connector.NewMetrics(prometheus.NewRegistry()).OAuth("crm"))
}

// live runs a keeper on the store until it is told to stop, and waits for its end.
func (r *rig) live(k *Keeper) (stop func()) {
	r.t.Helper()
	store := r.store.life()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, store) }()
	r.t.Cleanup(cancel)
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
}

// token asks for a token as a request does, and fails unless it is good.
func (r *rig) token(k *Keeper) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	access, err := k.Token(ctx)
	if err != nil {
		r.t.Fatalf("no token: %v\n%s", err, r.said())
	}
	if !r.server.Valid(access) {
		r.t.Fatalf("the token is not good\n%s", r.said())
	}
	return access
}

// A memory is a store of many lives. At each commit a test may interfere.
type memory struct {
	mu      sync.Mutex
	state   *State
	commits []State
	lives   int
	hook    func(n int, s State) (applied bool, err error)
}

type storeLife struct {
	*memory
	n int
}

func (m *memory) life() *storeLife {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives++
	return &storeLife{m, m.lives}
}

func (l *storeLife) Load(context.Context, bool) (*State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return clone(l.state), nil
}

func (l *storeLife) Commit(s State) error {
	time.Sleep(5 * time.Millisecond)
	l.mu.Lock()
	hook, n := l.hook, len(l.commits)
	gone := l.n != l.lives
	l.mu.Unlock()
	if gone {
		return fmt.Errorf("fenced: %w", ErrGone)
	}
	var err error
	if hook != nil {
		var applied bool
		if applied, err = hook(n, s); !applied {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits = append(l.commits, s)
	l.state = clone(&s)
	return err
}

// clone returns the state as it comes out of a record: by the wall clock.
func clone(s *State) *State {
	if s == nil {
		return nil
	}
	c := *s
	c.Expiry = c.Expiry.Round(0)
	if s.Intent != nil {
		i := *s.Intent
		c.Intent = &i
	}
	return &c
}

// clean fails the test if the log holds a secret.
func (r *rig) clean() {
	r.t.Helper()
	for _, secret := range r.server.Secrets() {
		if strings.Contains(r.said(), secret) {
			r.t.Errorf("the log holds %s:\n%s", secret, r.said())
		}
	}
}

// in runs a test in virtual time.
func in(t *testing.T, cfg tokenserver.Config, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg)
		f(r)
		r.clean()
	})
}

func TestATokenIsRenewedWhenAQuarterOfItsLifeIsLeft(t *testing.T) {
	for _, c := range []struct{ life, every time.Duration }{
		{2 * time.Hour, 90 * time.Minute}, {10 * time.Second, 7500 * time.Millisecond},
		{3 * time.Minute, 2 * time.Minute}, {100 * time.Second, 75 * time.Second},
	} {
		in(t, tokenserver.Config{Life: c.life, Revoke: true}, func(r *rig) {
			k := r.keeper("one")
			stop := r.live(k)
			for range 100 {
				time.Sleep(c.life / 10)
				r.token(k)
			}
			stop()
			if err := r.server.Kept(); err != nil {
				r.t.Error(err)
			}
			want := int(10*c.life/c.every) + 1
			if got := r.server.Fired()["refreshed"]; got < want-1 || got > want {
				r.t.Errorf("tokens of %v: %d refreshes in %v, want %d", c.life, got, 10*c.life, want)
			}
		})
	}
}

func TestTheIntentIsCommittedBeforeTheCallAndTheTokenBeforeItsUse(t *testing.T) {
	in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
		k := r.keeper("one")
		r.server.Hook(func(step tokenserver.Step, refresh string) {
			s, _ := (&storeLife{memory: r.store}).Load(context.Background(), true)
			if s == nil || s.Intent == nil || s.Intent.Run != "one" || s.Intent.Ended || s.Refresh != refresh {
				r.t.Errorf("at the call the store holds %+v", s)
			}
		})
		r.store.hook = func(_ int, s State) (bool, error) {
			if s.Intent == nil {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				if access, err := k.Token(ctx); err == nil && access == s.Access {
					r.t.Error("a token is used before it is committed")
				}
			}
			return true, nil
		}
		stop := r.live(k)
		for range 50 {
			time.Sleep(time.Second)
			r.token(k)
		}
		stop()
		if n := len(r.store.commits); n < 12 {
			r.t.Errorf("%d commits", n)
		}
	})
}

// Whatever the commit says that fails, and whether it was applied or not, a token that was
// received is committed by the next life before anything else, and the server sees no
// token twice.
func TestATokenThatWasReceivedSurvivesTheLane(t *testing.T) {
	for n := range 8 {
		for _, applied := range []bool{false, true} {
			in(t, tokenserver.Config{Life: 10 * time.Second, Revoke: true}, func(r *rig) {
				k := r.keeper("one")
				r.store.hook = func(i int, s State) (bool, error) {
					if i == n {
						r.store.mu.Lock()
						r.store.hook = nil
						r.store.mu.Unlock()
						return applied, fmt.Errorf("unknown outcome: %w", ErrGone)
					}
					return true, nil
				}
				stop := r.live(k)
				time.Sleep(35 * time.Second)
				stop()
				stop = r.live(k)
				time.Sleep(time.Second)
				r.token(k)
				stop()
				if err := r.server.Kept(); err != nil {
					r.t.Errorf("commit %d failed, applied %v: %v\n%s", n, applied, err, r.said())
				}
				if f := r.server.Fired(); f["reused"]+f["graced"] > 0 {
					r.t.Errorf("commit %d failed, applied %v: a token was sent twice: %v", n, applied, f)
				}
			})
		}
	}
}
