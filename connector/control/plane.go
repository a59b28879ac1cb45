package control

import (
	"context"
	"encoding/json"
	"time"

	"tributary/connector"
)

// Plane is a running connector as its operators see and operate it. It is safe for
// concurrent use. Its errors are *Error, or the context's own.
type Plane interface {
	Info() Info
	// Sources and Collections are in the order of the config.
	Sources() []Source
	Collections() []Collection
	Collection(Name) (Collection, error)

	// Pull runs a pull that begins after the call, or joins one that has not begun, and
	// returns when what it read is committed and readable by a read_committed consumer
	// and, where there is a replica, there too.
	Pull(context.Context, Name, connector.Reason) (Pulled, error)
	// Hold makes a collection rest, or go on (HoldNone), beyond restarts.
	Hold(context.Context, Name, Hold) error
	// Sweep makes a sweep due now, or a dump of a handler; with approve its guards let it
	// pass.
	Sweep(ctx context.Context, n Name, approve bool) error
	// Restart opens a collection again that an error has stopped, and has one that waits,
	// for its next run or because of an error, try now. It does not wait for what comes of
	// it. A collection that is held stays so.
	Restart(context.Context, Name) error
	// Reset sets a collection back to its beginning, for which it must be stopped by an
	// operator; with republish its ledger is forgotten too, and everything is published
	// again.
	Reset(ctx context.Context, n Name, republish bool) error
	// SetCursor moves the cursor, for which the same must be so: back, what lies between is
	// read again, and published where it was not; forwards, it is passed over. The instant
	// is RFC 3339 and not in the future, or "beginning".
	SetCursor(ctx context.Context, n Name, instant string) error

	// Changes looks for the latest changes of one record in its topic, the newest first.
	Changes(ctx context.Context, n Name, key string, limit int) (Changes, error)
	// List and Aggregate read the replica, after a pull where before_access is set.
	// Their queries and answers are JSON that the replica defines.
	List(ctx context.Context, n Name, query json.RawMessage) (json.RawMessage, error)
	Aggregate(ctx context.Context, n Name, query json.RawMessage) (json.RawMessage, error)
	// Push hands changes to a handler's source. Body and answer are JSON that the handler
	// contract defines.
	Push(ctx context.Context, source string, body json.RawMessage) (json.RawMessage, error)

	// Level is the log level, in slog's words in lower case; SetLevel changes it until the
	// process ends.
	Level() string
	SetLevel(string) error
	// Events is where what happens is told.
	Events() *Hub
}

// Name is a collection of a source.
type Name struct {
	Source     string `json:"source"`
	Collection string `json:"collection"`
}

// String returns SOURCE.COLLECTION.
func (n Name) String() string { return n.Source + "." + n.Collection }

// Hold says whether an operator has made a collection rest.
type Hold string

// The holds. A collection that is stopped by an operator may be reset.
const (
	HoldNone    Hold = ""
	HoldPaused  Hold = "paused"
	HoldStopped Hold = "stopped"
)

// Info is about the process.
type Info struct {
	Version  string    `json:"version"`
	Group    string    `json:"group"`
	Instance string    `json:"instance"`
	Run      string    `json:"run"`
	Started  time.Time `json:"started"`
	// ClusterID is Kafka's, "" while it is not known.
	ClusterID string `json:"cluster_id,omitempty"`
	// Lanes are those in use.
	Lanes []Lane `json:"lanes"`
}

// Lane is a partition of the offsets topic that is in use.
type Lane struct {
	Number   int32 `json:"number"`
	Acquired bool  `json:"acquired"`
}

// Source is one account of an API.
type Source struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // rest or handler
	Preset string `json:"preset,omitempty"`
	URL    string `json:"url,omitempty"`
	// Reauth says that its credential is refused until a person has acted.
	Reauth  bool    `json:"reauth_required"`
	Budget  *Budget `json:"budget,omitempty"`
	Replica bool    `json:"replica"`
	// Push says that changes may be handed to it.
	Push        bool           `json:"push"`
	Collections int            `json:"collections"`
	States      map[string]int `json:"states"` // how many collections are in each
}

// Budget is how much of what an API grants is left, in its points; nil is not known.
type Budget struct {
	PerMinute float64  `json:"per_minute"` // our share
	Remaining *float64 `json:"remaining"`  // of the account
	Waiting   int      `json:"waiting"`    // requests that wait for it
}

// Collection is how one collection stands. Times that never were are nil.
type Collection struct {
	Name
	Topic string `json:"topic"`
	Lane  int32  `json:"lane"`
	// State is one of connector.States. Why says what stopped it or is wrong now, and
	// Remedy what to do about it.
	State  string `json:"state"`
	Hold   Hold   `json:"hold,omitempty"`
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`

	// Cursor is the committed cursor's instant, CaughtUp when the last head reading that
	// came to its end had everything of it committed.
	Cursor      *time.Time `json:"cursor"`
	CaughtUp    *time.Time `json:"caught_up"`
	LastAttempt *time.Time `json:"last_attempt"`
	LastSuccess *time.Time `json:"last_success"`
	LastChange  *time.Time `json:"last_change"`
	LastError   *Failure   `json:"last_error"`
	NextRun     *time.Time `json:"next_run"`
	// Lag is for how many seconds it has not been caught up beyond its interval; 0 while
	// it is fresh, nil before it was for the first time.
	Lag *float64 `json:"lag_seconds"`
	// Interval is the time between two pulls in seconds, 0 without one; Cron are the
	// expressions beside it.
	Interval float64  `json:"interval_seconds"`
	Cron     []string `json:"cron,omitempty"`

	// Rate is changes published a second, about the last minute.
	Rate      float64 `json:"rate"`
	Upserts   uint64  `json:"upserts"` // since the process started
	Deletions uint64  `json:"deletions"`
	Records   int     `json:"records"` // in the ledger
	Doubts    int     `json:"doubts"`
	// Absent are records that sweeps missed and that are not yet confirmed to be gone,
	// Unpublished those in the dead letter queue.
	Absent      int   `json:"absent"`
	Unpublished int   `json:"unpublished"`
	Sweep       *Span `json:"sweep,omitempty"`
	// Guarded says that the last sweep was not believed.
	Guarded  bool      `json:"guarded"`
	Backfill *Backfill `json:"backfill,omitempty"`
}

// Failure is an error and when it was.
type Failure struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Span is how far a sweep has come: its position where one runs.
type Span struct {
	Running  bool       `json:"running"`
	Started  *time.Time `json:"started"`
	Ended    *time.Time `json:"ended"`
	Position *time.Time `json:"position"`
}

// Backfill is how far a reading that rebuilds has come.
type Backfill struct {
	Records   int     `json:"records"`
	PerSecond float64 `json:"per_second"`
	At        string  `json:"at"`
	Behind    float64 `json:"behind_seconds"`
}

// Pulled is what a pull came to.
type Pulled struct {
	Name
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Reasons are those of all who shared it.
	Reasons []connector.ReasonName `json:"reasons"`
	// Positions are up to where a read_committed consumer must have read to have seen
	// everything that the pull found.
	Positions []connector.Position `json:"positions"`
}

// Changes are the latest changes of a record.
type Changes struct {
	Key     string   `json:"key"`
	Changes []Change `json:"changes"`
	// Partition is where they are, searched from Until back to Since.
	Partition int32 `json:"partition"`
	Since     int64 `json:"since_offset"`
	Until     int64 `json:"until_offset"`
	// Whole says that nothing older is in the topic.
	Whole bool `json:"whole"`
}

// Change is one message of a data topic.
type Change struct {
	Offset    int64           `json:"offset"`
	Timestamp time.Time       `json:"timestamp"` // of the message
	Instant   string          `json:"instant"`   // the record's own
	Batch     uint64          `json:"batch"`
	Value     json.RawMessage `json:"value"` // null for a deletion
}
