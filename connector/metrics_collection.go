package connector

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// collectionFamilies are the metrics that each collection has.
var collectionFamilies = []family{
	{name: "poll_interval_seconds", help: "Longest time that the schedule leaves between two pulls; +Inf where none is set."},
	{name: "caught_up_timestamp_seconds", help: "When the last head reading that came to its end had everything of it committed; 0 before the first."},
	{name: "cursor_timestamp_seconds", help: "Instant of the committed cursor."},
	{name: "last_attempt_timestamp_seconds", help: "When the last pull began."},
	{name: "last_success_timestamp_seconds", help: "When the last pull ended well."},
	{name: "last_error_timestamp_seconds", help: "When a request or pull last failed."},
	{name: "last_change_timestamp_seconds", help: "When a change was last committed."},
	{name: "collection_state", help: "1 for the state that the collection is in.", label: "state", values: States},
	{name: "polls_total", help: "Pulls by outcome.", counter: true, label: "outcome", values: PollOutcomes},
	{name: "pages_total", help: "Pages read.", counter: true},
	{name: "records_read_total", help: "Records that pages showed.", counter: true},
	{name: "records_unchanged_total", help: "Records read that the ledger had already.", counter: true},
	{name: "records_published_total", help: "Changes committed to the data topic.", counter: true, label: "op", values: []string{"upsert", "delete"}},
	{name: "records_skipped_total", help: "Records read that are not to be published.", counter: true, label: "reason", values: SkippedReasons},
	{name: "doubts", help: "Entries that a reading contradicts and that are looked at again."},
	{name: "deletion_marks", help: "Deletions remembered until no replica can show the record any more."},
	{name: "ledger_entries", help: "Live records in the ledger."},
	{name: "dead_letters_total", help: "Records committed to the dead letter queue.", counter: true},
	{name: "unpublished_records", help: "Records in the dead letter queue that were not mended since."},
	{name: "sweep_started_timestamp_seconds", help: "When the running or last sweep began, by the server's clock; 0 before the first."},
	{name: "sweep_ended_timestamp_seconds", help: "When the last sweep ended, by the server's clock; before the first, when reading began."},
	{name: "sweep_position_timestamp_seconds", help: "Instant up to which the running sweep has come; 0 at its beginning and between two."},
	{name: "sweep_running", help: "1 while a sweep has begun and not ended."},
	{name: "sweep_guarded", help: "1 when the last sweep missed so much that nothing of it was believed."},
	{name: "sweep_absent", help: "Records that sweeps did not show and that are not yet confirmed to be gone."},
	{name: "sweeps_total", help: "Sweeps by outcome.", counter: true, label: "outcome", values: SweepOutcomes},
}

// CollectionMetrics are the metrics of one collection.
type CollectionMetrics struct {
	PollInterval, CaughtUp, Cursor                  *Series
	LastAttempt, LastSuccess, LastError, LastChange *Series
	Retries                                         *prometheus.CounterVec // of its source, by reason
	EventAge, PollDuration                          prometheus.Observer    // of its source: one for each collection would be half of all series
	Polls                                           SeriesBy               // by outcome
	Reasons                                         *prometheus.CounterVec // of its source, by reason
	Pages, Read, Unchanged                          *Series
	Upserts, Deletes                                *Series
	Skipped                                         SeriesBy // by reason
	Letters                                         *Series
	Doubts, Marks, Entries, Unpublished             *Series
	SweepStarted, SweepEnded, SweepPosition         *Series
	SweepRunning, SweepGuarded, Absent              *Series
	Sweeps                                          SeriesBy // by outcome

	// Watch, if set before anything is counted, is told of what happens.
	Watch Watcher

	mu          sync.Mutex // the reader, its lane and operators set these
	states      SeriesBy
	current     string
	shown       string
	quarantined error // nil: it is not
	hold        string
	failure     string // the text of the last error
	rate        rate
}

// Collection returns the metrics of a collection, each series present with 0.
func (m *Metrics) Collection(source, collection string) *CollectionMetrics {
	r, l := m.collections.row(source, collection), prometheus.Labels{"source": source}
	c := &CollectionMetrics{
		PollInterval: r.one("poll_interval_seconds"), CaughtUp: r.one("caught_up_timestamp_seconds"), Cursor: r.one("cursor_timestamp_seconds"),
		LastAttempt: r.one("last_attempt_timestamp_seconds"), LastSuccess: r.one("last_success_timestamp_seconds"),
		LastError: r.one("last_error_timestamp_seconds"), LastChange: r.one("last_change_timestamp_seconds"),
		EventAge: m.eventAge.With(l), PollDuration: m.pollDuration.With(l),
		Polls: r.by("polls_total"), Reasons: m.reasons.MustCurryWith(l), Retries: m.retries.MustCurryWith(l),
		Pages: r.one("pages_total"), Read: r.one("records_read_total"), Unchanged: r.one("records_unchanged_total"),
		Upserts: r.by("records_published_total").WithLabelValues("upsert"), Deletes: r.by("records_published_total").WithLabelValues("delete"),
		Skipped: r.by("records_skipped_total"), Letters: r.one("dead_letters_total"), Unpublished: r.one("unpublished_records"),
		Doubts: r.one("doubts"), Marks: r.one("deletion_marks"), Entries: r.one("ledger_entries"),
		SweepStarted: r.one("sweep_started_timestamp_seconds"), SweepEnded: r.one("sweep_ended_timestamp_seconds"), SweepPosition: r.one("sweep_position_timestamp_seconds"),
		SweepRunning: r.one("sweep_running"), SweepGuarded: r.one("sweep_guarded"), Absent: r.one("sweep_absent"),
		Sweeps: r.by("sweeps_total"),
		states: r.by("collection_state"),
	}
	for _, r := range ReasonNames {
		c.Reasons.WithLabelValues(string(r))
	}
	c.SetState(StateRestoring)
	return c
}
