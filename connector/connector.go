package connector

import (
	"context"
	"encoding/hex"
	"errors"
	"time"
)

// Hash is the digest of the fields of a record that one cares about: SHA-256 over
// their canonical form, cut to 128 bits. It is only ever compared with the hash of
// another version of the same record.
type Hash [16]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Record is one version of one record, as a page showed it.
type Record struct {
	// ID is the record's key as text, numbers as the source wrote them.
	ID string
	// Instant is the record's updated_at.
	Instant Instant
	// Stamp is the source's own text of Instant.
	Stamp string
	// Deleted says that this version is a deletion that the source announces.
	Deleted bool
	// Hash is the digest of the fields one cares about.
	Hash Hash
	// Value is the record's JSON as the source sent it. It may alias the page's
	// buffer and is not to be changed.
	Value []byte
	// Bad says why the record cannot be published (no id, no instant, too large);
	// the other fields then hold what could be read. Empty for a good record.
	Bad string
}

// Priority says how urgent a query is: of a budget that does not suffice for all, the
// most urgent is served first, and none is starved.
type Priority uint8

// The priorities, the most urgent first.
const (
	Live     Priority = iota // a head reading that is near its end, and what decides a doubt
	Trailing                 // a trailing pass
	Sweeping                 // a sweep
	Dumping                  // a head reading that has a long way to go
)

// Priorities are their names, as metrics show them.
var Priorities = [...]string{Live: "live", Trailing: "trailing", Sweeping: "sweeping", Dumping: "dumping"}

// String returns the priority's name.
func (p Priority) String() string { return Priorities[p] }

// Query asks a source for one page of one collection, oldest first. A query with
// IDs is a probe: it asks for those records and has no bounds and no page.
type Query struct {
	// From is the inclusive lower bound; Beginning asks without one.
	From Instant
	// To is the exclusive upper bound; Forever asks without one. A source that
	// cannot bound its answer above may show later records too.
	To Instant
	// Page counts from 1; only a drain asks for more than the first.
	Page int
	// Count asks the source to say how many records lie within the bounds.
	Count bool
	// IDs are the records that a probe asks for.
	IDs []string
	// Priority is how urgent the query is; it does not change what is asked. By is until
	// when it is of use to wait for a budget, by our clock; zero: for as long as it takes.
	Priority Priority
	By       time.Time
}

// ErrPutOff is a query that had to wait for its budget beyond its By, and was not sent.
var ErrPutOff = errors.New("there was no budget for it in time")

// Page is what one request returned, whole and checked.
type Page struct {
	// Records are in the order of the source: ascending instants.
	Records []Record
	// Date is the server's clock when it answered: every rule about time uses this
	// clock and never ours.
	Date Instant
	// Last says that the source stated that nothing follows. A page that is merely
	// short says nothing: APIs cut the page size down in silence.
	Last bool
	// Older says that the page shows what is older than the query asks from, on purpose.
	Older bool
	// Total is how many records the source says lie within the bounds, -1 if it
	// did not say.
	Total int
}

// Source answers queries about one collection. Fetch returns a page that was wholly
// received and checked, or an error: a *RetryError to be tried again in place, an
// *AnewError (for pages behind the first) to be gone back to the first from, a
// *StopError that ends the collection, ErrPutOff, or the context's own. It is called by one
// goroutine at a time, and the page belongs to the caller.
type Source interface {
	Fetch(ctx context.Context, q Query) (Page, error)
}

// Committer takes the batches of one collection in their order and commits each
// whole or not at all. What Stage accepted is committed or, after an error, gone
// together with everything the caller holds in memory: there is no other recovery.
type Committer interface {
	// Stage hands over the next batch. It blocks while too much is staged already.
	// It must not keep b after it has returned.
	Stage(ctx context.Context, b *Batch) error
	// Flush returns when everything staged so far is committed.
	Flush(ctx context.Context) error
}

// RetryReason says in a word, fit for a metric's label, why a request failed.
type RetryReason string

// The reasons for which a request is tried again.
const (
	RetryThrottled    RetryReason = "throttled"    // 429, or 503 with Retry-After
	RetryServer       RetryReason = "server_error" // other 5xx
	RetryTimeout      RetryReason = "timeout"      // the page's deadline passed
	RetryNetwork      RetryReason = "network"      // refused, reset, DNS, TLS
	RetryBody         RetryReason = "body"         // cut, not JSON, two documents, too big, too deep
	RetryUnauthorized RetryReason = "unauthorized" // 401
	RetryRefused      RetryReason = "refused"      // other 4xx: tried slowly, for a person must mend it
)

// RetryReasons are all of them, so that every series exists from the start.
var RetryReasons = []RetryReason{RetryThrottled, RetryServer, RetryTimeout, RetryNetwork, RetryBody, RetryUnauthorized, RetryRefused}

// RetryError is a request that failed and is to be sent again as it was.
type RetryError struct {
	Reason RetryReason
	// After is how long the server asked us to wait; 0 if it did not say.
	After time.Duration
	// AtMost is after how long the server's budget begins anew, so that to wait longer
	// is of no use; 0 if that is not known.
	AtMost time.Duration
	Err    error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// AnewError is a page that cannot be asked for any more, because what led to it is gone or
// has expired. To send the request again does not help: the pages are read from the first
// again.
type AnewError struct{ Err error }

func (e *AnewError) Error() string { return e.Err.Error() }
func (e *AnewError) Unwrap() error { return e.Err }

// StopError ends the work on one collection until a person has acted: what was
// found, and what to do about it.
type StopError struct {
	What   string
	Remedy string
}

func (e *StopError) Error() string { return e.What + "; " + e.Remedy }
