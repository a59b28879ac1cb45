//go:build unix

package e2e

import (
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
	"tributary/test/tokenserver"
)

// at does something once, when a step of the nth refresh has come.
func at(tokens *tokenserver.Server, step tokenserver.Step, nth int, do func()) (done func() bool) {
	var n, fired atomic.Int64
	tokens.Hook(func(s tokenserver.Step, _ string) {
		if s == step && n.Add(1) == int64(nth) {
			do()
			fired.Store(1)
		}
	})
	return func() bool { return fired.Load() == 1 }
}

// The process is killed at a step of a refresh: before the server has done anything, or
// when it has, and the answer is on its way. Only the second can cost the account, only
// where the server has no period of grace, and then it is said.
func TestKilledAtAStepOfARefresh(t *testing.T) {
	for _, c := range []struct {
		name  string
		grace time.Duration
		step  tokenserver.Step
		nth   int
		lost  bool
	}{
		{"before the server acts on the seed", 0, tokenserver.Received, 1, false},
		{"before the server acts on a later token", 0, tokenserver.Received, 3, false},
		{"after it acted, with a period of grace", time.Minute, tokenserver.Acted, 3, false},
		{"after it acted on the seed, with a period of grace", time.Minute, tokenserver.Acted, 1, false},
		{"after it acted, and it takes the family back", 0, tokenserver.Acted, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, tokens := newOAuthRig(t, tokenserver.Config{Life: 2 * time.Second, Grace: c.grace, Revoke: true}, hostile.Config{Collections: []string{"people"}})
			r.api.Insert("people", 50)
			first := make(chan *process, 1)
			dead := at(tokens.Server, c.step, c.nth, func() {
				p := <-first
				p.kill()
				if c.step == tokenserver.Received {
					panic("the request never came") // the server hangs up, and does nothing
				}
			})
			p := r.run()
			first <- p
			eventually(t, soon, "it is killed at that step", func() bool { return p.over() && (c.step == tokenserver.Received || dead()) })
			died := time.Now()
			p = r.run()
			p.says(soon, "a process ended while it was getting a new token")
			t.Logf("waited %s", time.Since(died).Round(100*time.Millisecond))
			if c.lost {
				p.says(soon, "does not take the refresh token any more", "had sent it, and ended before it could commit", "tributary auth login crm")
				if tokens.Server.Kept() == nil {
					t.Error("the account is kept: the test shows nothing")
				}
				return
			}
			p.says(soon, "caught up")
			r.api.Insert("people", 50)
			r.converge(r.oracle("people"), soon)
			if err := tokens.Server.Kept(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The broker dies when the answer of the token endpoint is on its way, and with it the
// lane. The token is committed by the lane's next life, before anything else; or, when the
// process is told to stop meanwhile, before that ends.
func TestTheBrokerDiesWhenANewTokenHasBeenReceived(t *testing.T) {
	for _, stops := range []bool{false, true} {
		name := "and the connector goes on"
		if stops {
			name = "and the connector is told to stop"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := kafkatest.Start(t)
			r, tokens := newOAuthRigOn(t, b, tokenserver.Config{Life: 4 * time.Second, Revoke: true}, hostile.Config{Collections: []string{"people"}})
			r.config.kafka = strings.Replace(r.config.kafka, "}", ", transaction_timeout: 8s, delivery_timeout: 3s}", 1)
			r.api.Insert("people", 50)
			killed := at(tokens.Server, tokenserver.Acted, 3, b.Kill)
			p := r.run()
			eventually(t, soon, "the broker is dead", killed)
			if stops {
				p.signal(syscall.SIGTERM)
			}
			time.Sleep(10 * time.Second) // beyond the watchdog: the lane is spent
			p.running()
			if err := b.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if stops {
				if code := p.wait(soon); code != 0 {
					t.Errorf("ended with code %d", code)
				}
				r.run()
			}
			r.api.Insert("people", 50)
			r.converge(r.oracle("people"), soon)
			if err := tokens.Server.Kept(); err != nil {
				t.Error(err)
			}
			if f := tokens.Server.Fired(); f["graced"]+f["reused"] > 0 {
				t.Errorf("a token was sent twice: %v", f)
			}
		})
	}
}

// holding is a listener whose first connection is answered when it is told to.
type holding struct {
	net.Listener
	once    sync.Once
	came    chan struct{}
	release chan struct{}
}

func (h *holding) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	if err == nil {
		h.once.Do(func() {
			close(h.came)
			c = &held{c, h.release}
		})
	}
	return c, err
}

type held struct {
	net.Conn
	release chan struct{}
}

func (h *held) Read(b []byte) (int, error) {
	<-h.release
	return h.Conn.Read(b)
}

// A process is frozen after its intent is committed and while it connects to the token
// endpoint. Another one takes over, which waits for the intent to be over first. When the
// first one wakes up in the middle of its handshake, it sends nothing.
func TestAProcessThatIsFrozenBeforeItsCallIsWaitedForAndThenSendsNothing(t *testing.T) {
	t.Parallel()
	tokens := tokenserver.New(tokenserver.Config{Life: 20 * time.Second, Revoke: true})
	srv := httptest.NewUnstartedServer(tokens)
	hold := &holding{Listener: srv.Listener, came: make(chan struct{}), release: make(chan struct{})}
	srv.Listener = hold
	srv.StartTLS()
	t.Cleanup(srv.Close)
	release := sync.OnceFunc(func() { close(hold.release) })
	t.Cleanup(release)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, hostile.Config{Collections: []string{"people"}, Authorize: tokens.Valid})
	r.config.seal = `{keys: [{id: k1, key: "` + sealKey + `"}]}`
	r.config.sources[0].auth = oauthConfig(&tokenserver.Listener{URL: srv.URL}, "refresh_token: "+quoted(tokens.Seed()))
	r.api.Insert("people", 50)

	env := []string{"SSL_CERT_FILE=" + ca}
	first := launchWith(t, env, "run", "-c", r.fileFor("first"))
	select {
	case <-hold.came:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody came to the token endpoint")
	}
	first.signal(syscall.SIGSTOP)
	began := time.Now()
	second := launchWith(t, env, "run", "-c", r.fileFor("second"))
	second.says(soon, "lane acquired")
	if waited := time.Since(began); waited < 14*time.Second {
		t.Errorf("it took over after %s, while the first one's request might have been on its way", waited)
	}
	second.says(soon, "caught up")
	first.signal(syscall.SIGCONT)
	release()
	if code := first.wait(soon); code != 5 {
		t.Errorf("the first ended with code %d", code)
	}
	r.api.Insert("people", 50)
	r.converge(r.oracle("people"), soon)
	if err := tokens.Kept(); err != nil {
		t.Error(err)
	}
	if f := tokens.Fired(); f["graced"]+f["reused"] > 0 || f["refreshed"] == 0 {
		t.Errorf("the token server saw %v", f)
	}
}

// SIGTERM comes while the answer of the token endpoint is on its way.
func TestARefreshIsFinishedBeforeTheProcessEnds(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 4 * time.Second, Revoke: true}, hostile.Config{Collections: []string{"people"}})
	r.api.Insert("people", 50)
	first := make(chan *process, 1)
	told := at(tokens.Server, tokenserver.Acted, 2, func() {
		p := <-first
		p.signal(syscall.SIGTERM)
		time.Sleep(2 * time.Second)
	})
	p := r.run()
	first <- p
	eventually(t, soon, "it is told to end in a refresh", told)
	if code := p.wait(30 * time.Second); code != 0 {
		t.Errorf("ended with code %d", code)
	}
	p = r.run()
	p.says(10*time.Second, "caught up") // without waiting for anybody
	p.stop()
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
	if f := tokens.Server.Fired(); f["reused"]+f["graced"] > 0 {
		t.Errorf("a token was sent twice: %v", f)
	}
}

// A process is frozen when the answer of the token endpoint is on its way. Another one
// takes over, waits, and sends the old token again, which the server allows for. When the
// first one wakes up with its answer, it gives that up, and its place.
func TestAProcessThatIsFrozenWithItsAnswerGivesItUp(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 6 * time.Second, Grace: time.Minute, Revoke: true}, hostile.Config{Collections: []string{"people"}})
	r.api.Insert("people", 50)
	processes := make(chan *process, 1)
	frozen := at(tokens.Server, tokenserver.Acted, 2, func() { (<-processes).signal(syscall.SIGSTOP) })
	first := launch(t, "run", "-c", r.fileFor("first"))
	processes <- first
	eventually(t, soon, "it is frozen in a refresh", frozen)
	second := launch(t, "run", "-c", r.fileFor("second"))
	second.says(soon, "a process ended while it was getting a new token")
	second.says(soon, "caught up")
	first.signal(syscall.SIGCONT)
	if code := first.wait(soon); code != 5 {
		t.Errorf("the first ended with code %d", code)
	}
	r.api.Insert("people", 50)
	r.converge(r.oracle("people"), soon)
	time.Sleep(12 * time.Second) // two tokens more
	second.running()
	r.api.Insert("people", 50)
	r.converge(r.oracle("people"), soon)
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
	if f := tokens.Server.Fired(); f["graced"] != 1 {
		t.Errorf("the token server saw %v", f)
	}
}
