package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/cmd/tributary/vault"
	"tributary/connector"
	"tributary/connector/rest"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
)

// readAuth reads the lane of a source for its token, nil where there is no offsets topic
// yet. It fences nobody.
func readAuth(ctx context.Context, kafka []kgo.Opt, cfg *Config, source string) (*offsets.Auth, error) {
	cl, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := sink.Identify(ctx, cl, cfg.Offsets.Topic); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil
	}
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

func (e *engine) sealer() vault.Sealer {
	return vault.Sealer{Ring: e.cfg.Seal, Topic: e.cfg.Offsets.Topic, Instance: e.cfg.Instance, Run: e.run}
}

func (e *engine) vault(lane *sink.Lane, source string) *vault.Vault {
	return &vault.Vault{Lane: lane, Sealer: e.sealer(), Source: source, Again: e.again(source)}
}

// again reads what is kept of a source's token, without fencing anybody.
func (e *engine) again(source string) func(context.Context) (*offsets.Auth, error) {
	return func(ctx context.Context) (*offsets.Auth, error) { return readAuth(ctx, e.kafka, e.cfg, source) }
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

// rescue commits tokens that were received and not committed when the engine ended.
func (e *engine) rescue() {
	for source, k := range e.keepers {
		if !k.Pending() {
			continue
		}
		e.log.Warn("a token was received and is not committed yet: that is done before the end", "source", source, "gives_up_after", vault.RescueWithin)
		err := vault.Rescue(e.sink(), e.sealer(), source, k.Keeper, e.again(source))
		if k.Pending() {
			e.log.Error("a token that was received is lost, for Kafka did not take it: the next start sends the old refresh token again, which servers take that allow for it", "source", source, "err", err)
		}
	}
}
