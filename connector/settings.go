package connector

import "time"

// OnBadRecord says what to do with a record that cannot be published.
type OnBadRecord string

// What to do with a record that has no id, no instant, or is too large.
const (
	StopOnBadRecord OnBadRecord = "stop" // the collection stops and names the record
	SkipBadRecord   OnBadRecord = "skip" // it is counted and passed over
	DeadLetterQueue OnBadRecord = "dlq"  // it goes to the dead letter queue, once
)

// Start says from where a collection without state is read.
type Start struct {
	// Now starts at the Date of the first answer.
	Now bool
	// At starts at this instant; Beginning (and Now false) reads everything.
	At Instant
}

// Fingerprint is what entries of the ledger were made with. A change of the first
// five makes hashes that cannot be compared; a change of the others makes a state
// that cannot be gone on from.
type Fingerprint struct {
	HashVersion int      `json:"hash_version"`
	Include     []string `json:"include,omitempty"`
	Exclude     []string `json:"exclude,omitempty"`
	// Drop and Mask are what is not published of a record: the hash is that of the rest.
	Drop []string `json:"drop,omitempty"`
	Mask []string `json:"mask,omitempty"`
	// ID and Instant are the paths to them in a record, Deletions how deletions are
	// announced.
	ID        string `json:"id"`
	Instant   string `json:"instant"`
	Deletions string `json:"deletions,omitempty"`
}

// Confirm says how a record that a sweep did not show is confirmed to be gone.
type Confirm string

// How a record is confirmed to be gone.
const (
	ConfirmIDs  Confirm = "ids"  // by asking for several ids at once
	ConfirmGet  Confirm = "get"  // by asking for each alone
	ConfirmNone Confirm = "none" // by its absence in two sweeps
)

// Sweeps say how a collection is read whole, to find what is gone without a word.
type Sweeps struct {
	// Every is the time from the end of one to the beginning of the next; 0: never.
	Every   time.Duration
	Confirm Confirm
	// MaxRatio of the live records, and MaxCount, are how many a sweep may miss before
	// it is believed to be the listing that is wrong.
	MaxRatio float64
	MaxCount int
	// Pages are read after each pull at once; more of them follow while nothing is due.
	Pages int
	// Listing is a digest of everything that decides which records the source lists.
	Listing string
}

// Feed says how the source's list of deletions is read, if it has one: as the settings of
// the same names say it of the collection. Overlap, lookback and settle are the
// collection's.
type Feed struct {
	Interval              time.Duration
	Tick                  time.Duration
	Paged                 bool
	Unordered, Unfiltered bool
}

// Settings are how one collection is read. The zero value of a field is its meaning,
// not its default: defaults are the config's.
type Settings struct {
	Source, Collection string

	// Interval is the time between the beginnings of two pulls, Jitter the part of it (0
	// to 1) by which it varies; 0: there is none, and Triggers alone say when.
	Interval time.Duration
	Jitter   float64
	Triggers Triggers

	// Tick is the precision of a bound as the source takes it, or of the stamps it
	// shows where that is coarser.
	Tick time.Duration
	// Paged says that the source can page within the same bounds.
	Paged bool
	// Unordered says that the source cannot be asked for ascending instants: a reading is
	// then a walk over all pages of its range. Unfiltered says that it cannot be asked for
	// a range either, and shows everything at each pull; it is Unordered then.
	Unordered, Unfiltered bool
	// Probe is how many ids one query may ask for; 0: the source has no probes. ProbeAlone
	// says that each of them is a request of its own.
	Probe      int
	ProbeAlone bool

	// Overlap and Lookback are how late a record may turn visible to be found by
	// the next head reading, and by the trailing pass.
	Overlap, Lookback time.Duration
	// Settle keeps every reading away from instants younger than it.
	Settle time.Duration
	Sweeps Sweeps
	Feed   Feed

	Start       Start
	OnBadRecord OnBadRecord
	// MaxRecord is how many bytes a value and twice its id may have to be published; 0:
	// any. It is known when the data topic is.
	MaxRecord   int
	Fingerprint Fingerprint
}

// OfFeed returns how the source's list of deletions is read: what Feed does not say is as
// for the collection.
func (s Settings) OfFeed() Settings {
	feed := s.Feed
	s.Tick, s.Paged, s.Unordered, s.Unfiltered = max(feed.Tick, s.Tick), feed.Paged, feed.Unordered, feed.Unfiltered
	s.Sweeps = Sweeps{}
	return s
}

// Defaults of the settings that a config may leave out.
const (
	DefaultInterval = 30 * time.Second
	DefaultJitter   = 0.1
	DefaultOverlap  = 5 * time.Second
	DefaultLookback = 5 * time.Minute

	DefaultMaxRatio   = 0.2
	DefaultMaxCount   = 1000
	DefaultSweepPages = 5
)
