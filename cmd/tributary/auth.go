package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
)

// A vault keeps a source's token in the offsets topic, sealed, for one life of its lane.
type vault struct {
	lane   *sink.Lane
	sealer sealer
	source string
	// again reads what is committed now, without fencing anybody.
	again func(context.Context) (*offsets.Auth, error)
}

var _ oauth.Store = (*vault)(nil)

// A sealer turns what the offsets topic holds of a token into what a keeper knows, and
// back.
type sealer struct {
	ring          *offsets.Ring
	topic         string
	instance, run string
}

func (s sealer) open(a *offsets.Auth, source string) (*oauth.State, error) {
	if a == nil {
		return nil, nil
	}
	t, err := s.ring.OpenToken(a.Sealed, s.topic, source)
	if err != nil {
		return nil, err
	}
	st := &oauth.State{Access: t.Access, Refresh: t.Refresh, Seed: t.Seed, Number: a.Number}
	st.Life, _ = time.ParseDuration(t.Life) // empty where the server did not say
	if a.Expiry != connector.Beginning {
		st.Expiry = a.Expiry.Time()
	}
	if i := a.Intent; i != nil {
		st.Intent = &oauth.Intent{Lasts: i.Lasts, Run: i.Run, Ended: i.Ended}
	}
	return st, nil
}

func (s sealer) seal(st oauth.State, source string) (offsets.Auth, error) {
	a := offsets.Auth{Expiry: connector.Beginning, Number: st.Number, Instance: s.instance, Run: s.run, Written: connector.InstantOf(time.Now())}
	t := offsets.Token{Access: st.Access, Refresh: st.Refresh, Seed: st.Seed}
	if !st.Expiry.IsZero() {
		a.Expiry, t.Life = connector.InstantOf(st.Expiry), st.Life.String()
	}
	if i := st.Intent; i != nil {
		a.Intent = &offsets.Intent{Lasts: i.Lasts, Instance: s.instance, Run: i.Run, Ended: i.Ended}
	}
	var err error
	a.Sealed, err = s.ring.SealToken(t, s.topic, source)
	return a, err
}

// Load returns what is committed.
func (v *vault) Load(ctx context.Context, anew bool) (*oauth.State, error) {
	a := v.lane.Auth(v.source)
	if anew {
		var err error
		if a, err = v.again(ctx); err != nil {
			return nil, err
		}
	}
	return v.sealer.open(a, v.source)
}

// Commit seals the state and commits it.
func (v *vault) Commit(st oauth.State) error {
	a, err := v.sealer.seal(st, v.source)
	if err != nil {
		return err
	}
	err = v.lane.CommitAuth(v.source, a)
	if err != nil && v.lane.Spent() {
		return fmt.Errorf("%w: %w", oauth.ErrGone, err)
	}
	return err
}

// readAuth reads the lane of a source for its token. It fences nobody.
func readAuth(ctx context.Context, kafka []kgo.Opt, cfg *Config, source string) (*offsets.Auth, error) {
	cl, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	table, err := readLane(ctx, cl, cfg.Offsets.Topic, offsets.LaneOf(source, int(cfg.Offsets.Lanes)))
	if err != nil {
		return nil, err
	}
	return table.Auths[source], nil
}

// A keeper is that of a source, over all lives of its lane.
type keeper struct {
	*oauth.Keeper
	flow oauth.Flow
}

func newKeeper(s SourceConfig, run string, log *slog.Logger, m *connector.Metrics) *keeper {
	end := oauth.NewEndpoint(s.OAuth, oauth.NewTransport(s.TLS.config))
	return &keeper{oauth.NewKeeper(*s.OAuth, run, end, log, m.OAuth(s.Name)), s.OAuth.Flow}
}

// auth returns the credential with the keeper in it; it may be nil.
func (k *keeper) auth(a *rest.Auth) *rest.Auth {
	if k == nil {
		return a
	}
	return &rest.Auth{OAuth: a.OAuth, Tokens: k.Keeper}
}

func (e *engine) sealer() sealer {
	return sealer{ring: e.cfg.Seal, topic: e.cfg.Offsets.Topic, instance: e.cfg.Instance, run: e.run}
}

func (e *engine) vault(lane *sink.Lane, source string) *vault {
	return &vault{lane: lane, sealer: e.sealer(), source: source, again: func(ctx context.Context) (*offsets.Auth, error) {
		return readAuth(ctx, e.kafka, e.cfg, source)
	}}
}

// keep runs the keepers of the lane's sources until ctx is done or the lane is spent.
func (e *engine) keep(ctx context.Context, lane *sink.Lane) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for source, k := range e.keepers {
		if offsets.LaneOf(source, int(e.cfg.Offsets.Lanes)) != lane.Number {
			continue
		}
		wg.Go(func() {
			var store oauth.Store
			if k.flow == oauth.RefreshToken {
				store = e.vault(lane, source)
			}
			if err := k.Run(ctx, store); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// rescueWithin is for how long an end waits for Kafka to take a token.
const rescueWithin = time.Minute

// rescue commits tokens that were received and not committed when the engine ended: by
// SIGTERM while the broker was away, say, or taken over meanwhile. It visits the lane as a
// command does, so that whoever runs it now goes on with them.
func (e *engine) rescue() {
	for source, k := range e.keepers {
		if !k.Pending() {
			continue
		}
		e.log.Warn("a token was received and is not committed yet: that is done before the end", "source", source, "gives_up_after", rescueWithin)
		ctx, cancel := context.WithTimeout(context.Background(), rescueWithin)
		ended, end := context.WithCancel(ctx)
		end() // nothing but what is pending
		var err error
		for k.Pending() && ctx.Err() == nil {
			err = sink.Visit(ctx, e.sink(), offsets.LaneOf(source, int(e.cfg.Offsets.Lanes)), func(_ context.Context, lane *sink.Lane) error {
				return k.Run(ended, e.vault(lane, source))
			})
			if err != nil {
				sleep(ctx, time.Second)
			}
		}
		cancel()
		if k.Pending() {
			e.log.Error("a token that was received is lost, for Kafka did not take it: the next start sends the old refresh token again, which servers take that allow for it", "source", source, "err", err)
		}
	}
}
