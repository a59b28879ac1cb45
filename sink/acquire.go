package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// FencedError says that another instance took the lane. This one must end: to take it
// back would only make the two fence each other for ever.
type FencedError struct {
	Lane int32
	By   offsets.Claim
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("lane %d was taken by instance %q (run %s) at %s: this instance ends; run only one, or see who starts the other",
		e.Lane, e.By.Instance, e.By.Run, e.By.At)
}

// How long a start waits at another name's claim, so that two supervisors which
// restart blindly change owners at most this often.
const claimAge = 10 * time.Second

// stall is how long an acquire may make no progress before it is an error.
const stall = 60 * time.Second

// acquire makes the lane ours, in the one order that is safe: (1) a new client, (0)
// which looks first, without fencing; (2) its producer id fences the predecessor and
// ends its open transaction, or what Kafka has left hanging of it; (3) the high
// watermark, not the last stable offset; (4) read on until the position reaches it, and
// end what hangs in data topics; (5) commit a claim, unless another's turned up. owned
// says that this process has held the lane before: then another's claim means that it
// has lost it.
func (l *Lane) acquire(ctx context.Context, owned bool) (err error) {
	began := time.Now()
	if l.cl, err = kgo.NewClient(l.options()...); err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	if err := offsets.Ensure(ctx, l.cl, l.cfg.Topic, l.cfg.Lanes, l.cfg.Replication); err != nil {
		return err
	}
	l.table = offsets.NewTable()
	tail := offsets.NewTail(l.cl, l.cfg.Topic, l.Number)
	for again := true; again; {
		if err := l.look(ctx, tail, owned); err != nil {
			return err
		}
		passed := l.table.Claim
		if err := l.fence(ctx); err != nil {
			return err
		}
		if err := l.restore(ctx, tail); err != nil {
			return err
		}
		again = l.overtaken(passed)
	}
	if err := l.checkLayout(ctx); err != nil {
		return err
	}
	if err := l.endHanging(ctx); err != nil {
		return err
	}
	l.stateLimit = int(l.maxMessageBytes(ctx, l.cfg.Topic))
	l.limits[l.cfg.Topic] = int32(l.stateLimit)
	if err := l.claim(false); err != nil {
		return fmt.Errorf("claim lane %d: %w", l.Number, err)
	}
	took := time.Since(began)
	l.m.Acquires.Inc()
	l.m.Acquired.Set(1)
	l.m.RestoreSeconds.Set(took.Seconds())
	l.m.Restored.Add(float64(l.table.Records))
	l.log.Info("lane acquired", "records", l.table.Records, "took", took.Round(time.Millisecond))
	return nil
}

// overtaken says whether another name claimed the lane between our look, which let the
// claim passed go by, and our fence: two that start together both find nobody. It is
// looked again then, which leaves the lane to the other: that finds its own claim to be
// the newest and takes it back. A visitor does not come back, so it is not waited for.
func (l *Lane) overtaken(passed *offsets.Claim) bool {
	c := l.table.Claim
	if c == nil || c.Visit || c.Run == l.cfg.Run || c.Instance == l.cfg.Instance {
		return false
	}
	return passed == nil || *c != *passed
}

// fence makes ours the newest producer of the lane, whose open transaction Kafka ends.
func (l *Lane) fence(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	if l.producer, l.epoch, err = l.cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("fence %s: %w", offsets.TransactionalID(l.cfg.Topic, l.Number), err)
	}
	l.used, l.usedBefore = l.producer, l.producer
	return nil
}

// restore reads on to the high watermark of now. If reading stands still below it, one of
// our own transactions may hang there.
func (l *Lane) restore(ctx context.Context, tail *offsets.Tail) error {
	end, err := offsets.HighWatermark(ctx, l.cl, l.cfg.Topic, l.Number)
	if err != nil {
		return err
	}
	target := func() int64 { return end }
	if err := l.readTo(ctx, tail, target, time.Second); err != nil || tail.Next >= end {
		return err
	}
	if err := l.endOwn(ctx, tail); err != nil {
		return err
	}
	return l.readTo(ctx, tail, target)
}

// checkLayout compares the config with how the topic was laid out. A lane that was never
// owned does not say it; then the others are asked, for a source that was on one of them
// would be looked for here in vain.
func (l *Lane) checkLayout(ctx context.Context) error {
	layout := l.table.Layout
	for other := int32(0); layout == nil && int(other) < l.cfg.Lanes; other++ {
		if other == l.Number {
			continue
		}
		var err error
		if layout, err = offsets.ReadLayout(ctx, l.cl, l.cfg.Topic, other); err != nil {
			return err
		}
	}
	return offsets.CheckLayout(l.cfg.Topic, layout, l.cfg.Lanes)
}

// look reads what is stable without fencing anybody, and waits for whoever must not be
// fenced yet: another name's young claim, a visitor that is still at work, and a process
// that may be about to receive a token.
func (l *Lane) look(ctx context.Context, tail *offsets.Tail, owned bool) error {
	var seen time.Time // when the present claim was first read, or its visit last wrote
	var claim offsets.Claim
	at, awaited, said := int64(-1), "", ""
	for {
		if err := l.readTo(ctx, tail, func() int64 { return tail.Stable }); err != nil {
			return err
		}
		if source, waits := l.awaitsAnswer(time.Now()); waits {
			if run := l.table.Auths[source].Intent.Run; run != awaited {
				awaited = run
				l.log.Info("waiting: another process may be about to get a new token", "source", source, "of", run, "at_most", l.table.Auths[source].Intent.Lasts)
			}
			if err := l.readTo(ctx, tail, beyond(tail), time.Second); err != nil {
				return err
			}
			continue
		}
		c := l.table.Claim
		if c == nil || c.Run == l.cfg.Run {
			return nil
		}
		// Ours was committed since, but EndTxn is answered before its marker is written:
		// until then what is stable ends with the claim that ours took the place of.
		if owned && l.before != nil && *c == *l.before {
			return nil
		}
		if owned && !c.Visit {
			return &FencedError{Lane: l.Number, By: *c}
		}
		if *c != claim || (c.Visit && tail.Next != at) {
			claim, seen, at = *c, time.Now(), tail.Next
		}
		if !mustWait(*c, l.cfg.Instance, time.Since(seen), time.Since(c.Written)) {
			return nil
		}
		if c.Run != said {
			said = c.Run
			l.log.Info("waiting: another instance has just claimed the lane", "instance", c.Instance, "run", c.Run, "visit", c.Visit)
		}
		if err := l.readTo(ctx, tail, beyond(tail), time.Second); err != nil {
			return err
		}
	}
}

// beyond is a target that is reached by whatever is written next.
func beyond(tail *offsets.Tail) func() int64 {
	more := tail.Next + 1
	return func() int64 { return more }
}

// mustWait says whether a claim that is not ours has to be waited out. seen is for how
// long we have read it unchanged, by our monotonic clock; written how old its record
// is, by two clocks that may differ, so that it counts only when it is not in the
// future. The same name is a restart of ourselves and never waits.
func mustWait(c offsets.Claim, instance string, seen, written time.Duration) bool {
	switch {
	case c.Visit:
		return !c.Released && seen < claimAge
	case c.Instance == instance:
		return false
	default:
		return seen < claimAge && written < claimAge
	}
}

// readTo folds what is read into the table until the position reaches target, which is
// asked again after each fetch. With patience it ends after that long as well; without,
// no progress for long is an error.
func (l *Lane) readTo(ctx context.Context, tail *offsets.Tail, target func() int64, patience ...time.Duration) error {
	moved, at := time.Now(), tail.Next
	for tail.Next < 0 || tail.Next < target() {
		err := tail.Fetch(ctx, l.fold)
		if errors.Is(err, offsets.ErrTruncated) {
			l.table = offsets.NewTable()
			*tail = *offsets.NewTail(l.cl, l.cfg.Topic, l.Number)
			continue
		}
		if err != nil {
			return err
		}
		if tail.Next != at {
			moved, at = time.Now(), tail.Next
		}
		idle := time.Since(moved)
		if len(patience) > 0 && idle >= patience[0] {
			return nil
		}
		if len(patience) == 0 && idle > stall+l.cfg.transactionTimeout() {
			return fmt.Errorf("reading %s partition %d makes no progress at offset %d (last stable %d, end %d): a transaction of another producer hangs there; "+
				"find it with kafka-transactions.sh find-hanging and end it with its abort", l.cfg.Topic, l.Number, tail.Next, tail.Stable, tail.High)
		}
	}
	return nil
}

// fold applies one record of the offsets topic.
func (l *Lane) fold(r *kgo.Record) error {
	claim := l.table.Claim
	if err := l.table.Apply(r.Key, r.Value); err != nil {
		return err
	}
	if l.table.Claim != claim {
		l.table.Claim.Written = r.Timestamp
	}
	return nil
}

// claim commits who owns the lane, or that its visit is over, and how lanes are laid out
// if nothing says so yet.
func (l *Lane) claim(released bool) error {
	c := offsets.Claim{
		Instance: l.cfg.Instance, Run: l.cfg.Run, At: connector.InstantOf(time.Now()),
		Visit: l.visit, Released: released,
	}
	s := &staged{records: []*kgo.Record{offsets.ClaimRecord(l.cfg.Topic, l.Number, c)}}
	if l.table.Layout == nil {
		layout := offsets.Layout{Lanes: l.cfg.Lanes, Hash: offsets.LaneHash}
		s.records = append(s.records, offsets.LayoutRecord(l.cfg.Topic, l.Number, layout))
	}
	_, err := l.transact([]*staged{s})
	return err
}

// ping tells an unreachable broker, and a login that fails, from everything else before
// anything is waited for, and which brokers those are.
func ping(ctx context.Context, opts []kgo.Opt) error {
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.RequestRetries(0))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err = cl.Ping(ctx); err == nil {
		return nil
	}
	advice := ""
	if errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) {
		advice = "; check mechanism, username and password under `kafka.sasl`"
	}
	return fmt.Errorf("kafka at %v: %w%s", cl.OptValue(kgo.SeedBrokers), err, advice)
}
