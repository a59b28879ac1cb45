package hostile

import "time"

// Hostility says what the API does to its readers. The zero value is a friendly API;
// each field works alone. Fields of type float64 are probabilities for each request
// or write.
type Hostility struct {
	// UnstableTies shows records of one stamp in another order at every request.
	UnstableTies bool

	// Late writes take their stamp and turn visible up to Lateness later.
	Late     float64
	Lateness time.Duration
	// Backdate gives writes a stamp up to MaxBackdate in the past: a row that waited
	// for a lock, an import. It may be older than the stamp that it overwrites.
	Backdate    float64
	MaxBackdate time.Duration

	// Stale requests are answered from a snapshot up to ReplicaLag old.
	Stale      float64
	ReplicaLag time.Duration

	// MaxPerPage cuts per_page down without saying so. It is one number and not
	// random: with pages of changing size nobody can page.
	MaxPerPage int
	// BoundTick floors the bounds of a filter.
	BoundTick time.Duration
	// StampPrecision floors stamps as they are written. ShownPrecision floors them as
	// they are shown, while filter and order use the finer ones.
	StampPrecision, ShownPrecision time.Duration
	// MixedOffsets writes stamps with changing offsets from UTC.
	MixedOffsets bool

	// IgnoreFilter and IgnoreOrder answer without the bounds, or in descending order.
	// The echo says so, unless LyingEcho is set.
	IgnoreFilter, IgnoreOrder float64
	LyingEcho                 bool

	// ListedShare ends every list after this share of the records, the oldest; asked for
	// by their ids the others are there. SeenShare hides the others from both, as from a
	// credential that lost a part of its view. 0 hides nothing; as good as 0 is 1e-9.
	ListedShare, SeenShare float64

	// Throttle answers 429, with Retry-After in seconds, as a date, or without.
	Throttle   float64
	RetryAfter time.Duration
	// ServerError answers 500, 502 or 503; HTML a login page with status 200.
	ServerError, HTML float64
	// CutBody sends half a body, with and without a Content-Length that tells;
	// SecondDocument sends another document behind the first.
	CutBody, SecondDocument float64
	// Hang sends nothing for HangFor and then closes the connection; Reset resets it.
	Hang, Reset float64
	HangFor     time.Duration
	// Latency delays each answer by up to this, part of it before the snapshot.
	Latency time.Duration

	// Writes is what a Writer writes.
	Writes Mix
}

// Mix weighs what a Writer does. The zero Mix inserts and updates, one to four.
type Mix struct {
	Insert, Update, Touch, Revert, Delete, Undelete int
	// Bulk updates BulkSize records (150 if 0) with one stamp.
	Bulk, BulkSize int
	// Recreate deletes a record and makes it again with the same stamp, the second
	// of them visible up to RecreateGap (20 ms if 0) after the first.
	Recreate    int
	RecreateGap time.Duration
	// Remove deletes for good: the record is listed no more. Restore brings one back as it
	// was, with the stamp it had.
	Remove, Restore int
}

func (m Mix) withDefaults() Mix {
	if m.Insert+m.Update+m.Touch+m.Revert+m.Delete+m.Undelete+m.Bulk+m.Recreate+m.Remove+m.Restore == 0 {
		m.Insert, m.Update = 1, 4
	}
	if m.BulkSize == 0 {
		m.BulkSize = 150
	}
	if m.RecreateGap == 0 {
		m.RecreateGap = 20 * time.Millisecond
	}
	return m
}

// MinLookback is the least lookback that covers h: how late a version may be shown
// after its stamp, on the slowest replica, plus the second that a Date is cut by.
// With a smaller one a connector may lose or repeat without being wrong.
func (h Hostility) MinLookback() time.Duration {
	d := time.Second + h.Latency + max(h.StampPrecision, h.ShownPrecision)
	if h.Stale > 0 {
		d += h.ReplicaLag
	}
	if h.Backdate > 0 {
		d += h.MaxBackdate
	}
	late := time.Duration(0)
	if h.Late > 0 {
		late = h.Lateness
	}
	if h.Writes.Recreate > 0 {
		late = max(late, h.Writes.withDefaults().RecreateGap)
	}
	return d + late
}

// Calm returns h without what it does to single requests and to new writes: replicas
// have caught up and nothing fails. What the API is like (page size, precision,
// bounds, unstable ties) stays.
func (h Hostility) Calm() Hostility {
	return Hostility{
		UnstableTies: h.UnstableTies, MaxPerPage: h.MaxPerPage, BoundTick: h.BoundTick,
		StampPrecision: h.StampPrecision, ShownPrecision: h.ShownPrecision,
		MixedOffsets: h.MixedOffsets, Writes: h.Writes,
	}
}

// Nasty returns everything at once that a connector with this lookback must
// withstand, and nothing that must stop it (a filter or an order ignored). The
// lookback must exceed 1 s.
func Nasty(lookback time.Duration) Hostility {
	slack := max(0, lookback-1100*time.Millisecond)
	return Hostility{
		UnstableTies: true,
		Late:         0.2, Lateness: slack / 4,
		Backdate: 0.1, MaxBackdate: slack / 4,
		Stale: 0.2, ReplicaLag: slack / 4,
		MaxPerPage: 40, MixedOffsets: true,
		Throttle: 0.01, ServerError: 0.01, HTML: 0.01, CutBody: 0.01, SecondDocument: 0.01,
		Hang: 0.002, HangFor: slack / 4, Reset: 0.01,
		Writes: Mix{
			Insert: 10, Update: 40, Touch: 10, Revert: 5, Delete: 6, Undelete: 3,
			Bulk: 1, Recreate: 3, RecreateGap: slack / 8,
		},
	}
}
