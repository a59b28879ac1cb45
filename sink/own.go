package sink

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"tributary/offsets"
)

// Own keeps one lane: it acquires it, lets use run its collections until something
// about the lane fails, and acquires it again, for ever. This is the one recovery path;
// a start is its first turn. It returns nil when ctx is done and what was staged is
// committed, a *FencedError when another instance owns the lane now, and an error that
// only a person can mend: a wrong password, an offsets topic that cannot be used. use
// must have ended everything it started when it returns; it returns nil when it has
// nothing more to do.
func Own(ctx context.Context, cfg Config, number int32, use func(context.Context, *Lane) error) error {
	var known suspects
	var hung hangs
	var said complaint
	var before *offsets.Claim
	seen := sightings{}
	owned := false
	for failures := 0; ; {
		l := newLane(cfg, number, &known)
		l.before, l.hung, l.seen = before, &hung, seen
		err := ping(ctx, cfg.Kafka)
		if err == nil {
			err = l.acquire(ctx, owned)
		}
		if err == nil {
			owned, before = true, l.table.Claim
			began := time.Now()
			if err = l.serve(ctx, use); time.Since(began) > settled {
				failures = 0
			}
		}
		l.close()
		var fenced *FencedError
		var healed *hangError
		if errors.As(err, &healed) {
			failures = 0 // and so it is acquired again at once
		}
		switch {
		case errors.As(err, &fenced):
			l.m.Fenced.Inc()
			return err
		case err == nil:
			return nil
		case ctx.Err() != nil:
			if owned {
				l.log.Warn("told to stop before all that was read could be committed: it is read again at the next start", "err", err)
			}
			return nil
		case fatal(err, owned):
			return err
		case errors.Is(err, ErrAgain):
			l.log.Info("the lane is acquired again, as was asked for")
			continue
		}
		failures++
		wait := pauseAfter(failures)
		if owned && maybeTaken(err) {
			// Whoever fenced us has still to claim: to fence it in its turn would make the two
			// change places, and end the one that is to stay.
			wait = max(wait, claimsWithin)
		}
		if what := "lane is spent, acquiring it again"; said.due(err, time.Now()) {
			if !owned {
				what = "lane cannot be acquired yet, trying again"
			}
			l.log.Warn(what, "err", err, "attempt", failures, "wait", wait.Round(time.Millisecond))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// ErrAgain is for use to return when it wants its lane acquired anew although nothing has
// failed: everything held in memory is forgotten.
var ErrAgain = errors.New("acquire the lane again")

// claimsWithin is how long a successor mostly takes from its fence to its claim.
const claimsWithin = time.Second

// maybeTaken says whether an error is one of those by which a fenced producer learns of
// it. Its own transaction may have timed out as well: the codes are the same.
func maybeTaken(err error) bool {
	return errors.Is(err, errTaken) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidTxnState)
}

// A complaint is made when it is new, once more to show that it is tried again, and from
// time to time while it stays.
type complaint struct {
	text  string
	times int
	at    time.Time
}

func (c *complaint) due(err error, now time.Time) bool {
	if text := err.Error(); text != c.text {
		*c = complaint{text: text}
	}
	if c.times++; c.times > 2 && now.Sub(c.at) < 30*time.Second {
		return false
	}
	c.at = now
	return true
}

// settled is after how long a lane that is spent was a good one: the next failure is
// then the first of a row.
const settled = 10 * time.Second

// fatal says whether trying again is of no use. Rights that are taken away from a
// connector that runs may be given back; at its start they are a mistake to be shown.
func fatal(err error, owned bool) bool {
	var layout *offsets.LayoutError
	var format *offsets.FormatError
	if errors.As(err, &layout) || errors.As(err, &format) {
		return true
	}
	if owned {
		return false
	}
	for _, e := range []error{
		kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState,
		kerr.TransactionalIDAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.InvalidTransactionTimeout,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pauseAfter returns how long to wait after so many failures in a row.
func pauseAfter(failures int) time.Duration {
	d := min(10*time.Second, 50*time.Millisecond<<min(max(failures-1, 0), 10))
	return d/2 + rand.N(d/2+1)
}
