package vault

import (
	"context"
	"time"

	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
)

// RescueWithin is for how long an end waits for Kafka to take a token.
const RescueWithin = time.Minute

// Rescue commits a token that was received and not committed when its lane ended for good:
// by SIGTERM while the broker was away, say, or taken over meanwhile. It visits the lane
// as a command does, so that whoever runs it now goes on with the token. The error is why
// it could not; the keeper says whether the token is still pending.
func Rescue(cfg sink.Config, s Sealer, source string, k *oauth.Keeper, again func(context.Context) (*offsets.Auth, error)) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), RescueWithin)
	defer cancel()
	ended, end := context.WithCancel(ctx)
	end() // nothing but what is pending
	for k.Pending() && ctx.Err() == nil {
		err = sink.Visit(ctx, cfg, offsets.LaneOf(source, cfg.Lanes), func(_ context.Context, lane *sink.Lane) error {
			return k.Run(ended, &Vault{Lane: lane, Sealer: s, Source: source, Again: again})
		})
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	return err
}
