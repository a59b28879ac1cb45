package sim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/cmd/tributary/vault"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
	"tributary/test/hostile"
	"tributary/test/tokenserver"
)

// newKeeper wires the keeper of the source's token as the program does.
func (p *process) newKeeper() *oauth.Keeper {
	cfg := oauth.Config{
		Source: sourceName, Flow: oauth.RefreshToken, TokenURL: "http://login.sim/token", ClientID: "client",
		ClientSecret: "client-secret-of-the-test", Seed: p.world.tokens.Seed(), Style: oauth.InHeader,
	}
	return oauth.NewKeeper(cfg, p.run, oauth.NewEndpoint(&cfg, tokenCaller{caller{p.world.tokens, p.link}}), p.log, p.metrics.OAuth(sourceName))
}

// A tokenCaller tells that there is a connection, as a transport does.
type tokenCaller struct{ caller }

func (c tokenCaller) RoundTrip(req *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
	return c.caller.RoundTrip(req)
}

func sealer(run string) vault.Sealer {
	ring := offsets.NewRing()
	key := sha256.Sum256([]byte("of the simulation"))
	if err := ring.Add("k1", key[:]); err != nil {
		panic(err)
	}
	return vault.Sealer{Ring: ring, Topic: offsetsTopic, Instance: run, Run: run}
}

func (p *process) keep(ctx context.Context, lane *sink.Lane) error {
	return p.keeper.Run(ctx, &vault.Vault{Lane: lane, Sealer: sealer(p.run), Source: sourceName, Again: p.world.readAuth})
}

func (w *world) readAuth(ctx context.Context) (*offsets.Auth, error) {
	cl, err := w.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	table, err := readTable(ctx, cl)
	if err != nil {
		return nil, err
	}
	return table.Auths[sourceName], nil
}

// judgeTokens says whether the account was lost, and whether what is kept of it is of use.
func (w *world) judgeTokens() error {
	if err := w.tokens.Kept(); err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a, err := w.readAuth(ctx)
	if err != nil {
		return err
	}
	st, err := sealer("judge").Open(a, sourceName)
	switch {
	case err != nil:
		return err
	case st == nil || st.Refresh == "":
		return errors.New("no refresh token is kept")
	}
	for _, q := range w.tokens.Requests() {
		if q.Refresh == st.Refresh {
			return errors.New("the refresh token that is kept is spent")
		}
	}
	return nil
}

// tokenScenario is a scenario in which some tokens come and go.
func tokenScenario(w *world) error {
	s := &scenario{world: w}
	s.api.Insert("people", 10)
	s.api.Insert("accounts", 10)
	change := func() {
		s.api.Write("people", hostile.Update, "1", "2")
		s.api.Write("accounts", hostile.Delete, "3")
	}
	s.p = s.start("a")
	if err := s.pass(5 * time.Second); err != nil {
		return err
	}
	change()
	if err := s.pass(5 * time.Second); err != nil {
		return err
	}
	if s.p.alive() {
		if err := s.p.stop(); err != nil {
			return err
		}
	}
	s.p = s.start("a")
	if err := s.pass(3 * time.Second); err != nil {
		return err
	}
	change()
	if err := s.end(); err != nil {
		return err
	}
	return w.judgeTokens()
}

func tokenWorld(grace time.Duration) *world {
	w := crashWorld()
	w.tokens = tokenserver.New(tokenserver.Config{Life: 4 * time.Second, Grace: grace, Revoke: true, Seed: *seed})
	return w
}

// At each request to Kafka that a life with tokens makes, the request or its reply is lost,
// with the process dying there or going on. A process that goes on never costs the account,
// though the server takes it back for a token that is used twice. One that dies costs
// nothing where there is a period of grace.
func TestTheAccountIsKeptWhateverHappensAtARequestToKafka(t *testing.T) {
	for _, c := range []struct {
		name  string
		grace time.Duration
		fates []fate
	}{
		{"it goes on, and a token that is used twice is the end", 0, []fate{dropped, unheard, blackout, outage}},
		{"it dies, and there is a period of grace", 5 * time.Minute, []fate{diesAt, diesWith}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := tokenWorld(c.grace)
			var requests map[int16]int
			if err := live(t, w, tokenScenario); err != nil {
				t.Fatalf("with nothing in its way: %v", err)
			}
			requests = w.sent
			if n := w.tokens.Fired()["refreshed"]; n < 5 {
				t.Fatalf("%d refreshes show nothing", n)
			}
			var points []point
			for _, k := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.InitProducerID, kmsg.Fetch, kmsg.ListOffsets} {
				for i := range requests[int16(k)] {
					for _, f := range c.fates {
						points = append(points, point{int16(k), i + 1, f})
					}
				}
			}
			var mu sync.Mutex
			hits, graced := 0, 0
			tried := sample(points)
			sideBySide(t, tried, func(t *testing.T, p point) error {
				w := tokenWorld(c.grace)
				hit := false
				w.about = fmt.Sprint(p)
				w.plan = func(key int16, n int) fate {
					if key == p.key && n == p.n {
						hit = true
						return p.fate
					}
					return arrives
				}
				err := live(t, w, tokenScenario)
				mu.Lock()
				defer mu.Unlock()
				if hit {
					hits++
				}
				graced += w.tokens.Fired()["graced"]
				return err
			})
			t.Logf("%d points tried of %d, %d of them reached; %d tokens were sent again", len(tried), len(points), hits, graced)
			if hits < len(tried)*3/4 {
				t.Errorf("only %d of %d points were reached", hits, len(tried))
			}
			if (graced > 0) != (c.grace > 0) {
				t.Errorf("%d tokens were sent again", graced)
			}
		})
	}
}
