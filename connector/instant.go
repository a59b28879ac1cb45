package connector

import (
	"fmt"
	"math"
	"time"
)

// Instant is a point in time in microseconds since 1970-01-01T00:00:00Z. A finer
// stamp is floored: a bound that is asked for too early shows a record again, which
// the ledger drops; one that is asked for too late loses it.
type Instant int64

const (
	// Beginning is before every record.
	Beginning Instant = math.MinInt64
	// Forever is after every record: no upper bound.
	Forever Instant = math.MaxInt64
)

// InstantOf floors t to microseconds.
func InstantOf(t time.Time) Instant {
	return Instant(t.UnixMicro()) // the nanoseconds of a time.Time are never negative, so this floors
}

// Time returns the instant in UTC. Beginning and Forever have no time of their own.
func (t Instant) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// String formats the instant as RFC 3339 in UTC with six digits of fraction.
func (t Instant) String() string {
	switch t {
	case Beginning:
		return "beginning"
	case Forever:
		return "forever"
	}
	return t.Time().Format("2006-01-02T15:04:05.000000Z")
}

// Add moves the instant by d; Beginning and Forever stay what they are.
func (t Instant) Add(d time.Duration) Instant {
	if t == Beginning || t == Forever {
		return t
	}
	us := Instant(d.Microseconds())
	switch sum := t + us; {
	case us > 0 && sum < t:
		return Forever
	case us < 0 && sum > t:
		return Beginning
	default:
		return sum
	}
}

// Sub returns t − u, at most what a Duration holds, which is 292 years.
func (t Instant) Sub(u Instant) time.Duration {
	const most = math.MaxInt64 / int64(time.Microsecond)
	switch d := int64(t - u); {
	case t == Forever || u == Beginning, t >= u && (d < 0 || d > most):
		return math.MaxInt64
	case t < u && (d >= 0 || d < -most):
		return math.MinInt64
	default:
		return time.Duration(d) * time.Microsecond
	}
}

// Floor cuts the instant to a whole tick, counted from the epoch. A tick under a
// microsecond is a microsecond.
func (t Instant) Floor(tick time.Duration) Instant {
	us := Instant(tick.Microseconds())
	if us <= 1 || t == Beginning || t == Forever {
		return t
	}
	if r := t % us; r >= 0 {
		return t - r
	} else {
		return t - r - us
	}
}

// ParseInstant reads what String writes: RFC 3339, "beginning" or "forever".
func ParseInstant(text string) (Instant, error) {
	switch text {
	case "beginning":
		return Beginning, nil
	case "forever":
		return Forever, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("instant %q is not RFC 3339 (like 2026-01-31T12:00:00Z)", text)
	}
	return InstantOf(t), nil
}
