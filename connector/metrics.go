package connector

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// States of a collection, as metrics, logs and status show them; exactly one holds.
const (
	StateRestoring      = "restoring"       // its lane is being acquired
	StateRunning        = "running"         // pulls succeed
	StateBackoff        = "backoff"         // a request failed and is tried again
	StateQuarantined    = "quarantined"     // its topic cannot be written; tried alone
	StateStopped        = "stopped"         // until a person has acted
	StatePaused         = "paused"          // by an operator
	StateReauthRequired = "reauth_required" // the source refuses the credential
)

// States are all of them.
var States = []string{StateRestoring, StateRunning, StateBackoff, StateQuarantined, StateStopped, StatePaused, StateReauthRequired}

// RefusedReasons say why a body was refused whole.
var RefusedReasons = []string{"truncated", "not_json", "html", "trailing_data", "too_large", "too_deep", "duplicate_name", "no_records", "no_date", "encoding", "contract"}

// PollOutcomes say how a pull ended: ok published something, empty found nothing
// new, error failed.
var PollOutcomes = []string{"ok", "empty", "error"}

// SweepOutcomes say how a sweep ended: guarded is one that missed so much that nothing of
// it was believed.
var SweepOutcomes = []string{"passed", "guarded"}

// SkippedReasons say why a record that was read was neither published nor unchanged.
var SkippedReasons = []string{"bad_record", "before_start", "stale", "deleted_unpublished"}

// TransactionOutcomes say how a transaction ended, as far as the lane knows.
var TransactionOutcomes = []string{"committed", "aborted", "unknown"}

// codes are those answers of an API whose series exist from the start; "0" is a
// request without an answer.
var codes = []string{"0", "200", "401", "429", "500", "503"}

// Metrics holds every metric of Tributary. Labels come from the config alone, never
// from records, addresses or error texts.
type Metrics struct {
	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	retries         *prometheus.CounterVec
	refused         *prometheus.CounterVec

	budgetLimit, budgetRemaining, budgetWaiting *prometheus.GaugeVec
	budgetSpent, budgetForeign                  *prometheus.CounterVec
	budgetWait                                  *prometheus.HistogramVec

	eventAge, pollDuration *prometheus.HistogramVec
	reasons                *prometheus.CounterVec
	collections            *table

	transactions       *prometheus.CounterVec
	transactionSeconds *prometheus.HistogramVec
	transactionRecords *prometheus.HistogramVec
	acquires, fenced   *prometheus.CounterVec
	restoreSeconds     *prometheus.GaugeVec
	restored           *prometheus.CounterVec
	laneReady          *prometheus.GaugeVec

	oauth   oauthMetrics
	replica replicaMetrics
}

// durations of requests and transactions, in seconds; native histograms beside them.
var durationBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics registers every metric with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const ns = "tributary"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, labels)
		reg.MustRegister(v)
		return v
	}
	sc := []string{"source", "collection"}
	return &Metrics{
		requests:        counter("source_requests_total", "Requests sent to the source's API by status code; 0 is no answer.", "source", "code"),
		requestDuration: histogram("source_request_duration_seconds", "Time from sending a request to having its body whole.", durationBuckets, "source"),
		retries:         counter("source_retries_total", "Requests that failed and were sent again.", "source", "reason"),
		refused:         counter("source_refused_bodies_total", "Bodies that were refused whole.", "source", "reason"),

		budgetLimit:     gauge("source_budget_limit_points", "Our share of the points that the source's API grants in a minute; 0 is no limit.", "source"),
		budgetRemaining: gauge("source_budget_remaining_points", "What is left of the account's budget, as the API stated it last, less what was sent since; NaN while it never did.", "source"),
		budgetSpent:     counter("source_budget_spent_points_total", "Points that requests did cost.", "source", "priority"),
		budgetForeign:   counter("source_budget_foreign_points_total", "Points of the account that others were seen to spend.", "source"),
		budgetWaiting:   gauge("source_budget_waiting_requests", "Requests that wait for the budget.", "source", "priority"),
		budgetWait: histogram("source_budget_wait_seconds", "Time that a request waited for the budget.",
			[]float64{.001, .01, .1, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600}, "source", "priority"),

		eventAge: histogram("event_age_seconds", "Commit time less the record's instant, for each published record.",
			[]float64{.1, .5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400}, "source"),
		reasons:      counter("pull_reasons_total", "Reasons for which pulls ran; one pull may have several.", "source", "reason"),
		pollDuration: histogram("poll_duration_seconds", "Time a pull took.", durationBuckets, "source"),
		collections:  newTable(reg, collectionFamilies),

		transactions:       counter("transactions_total", "Transactions by outcome.", "lane", "outcome"),
		transactionSeconds: histogram("transaction_duration_seconds", "Time from the first produce to the reply to EndTxn.", durationBuckets, "lane"),
		transactionRecords: histogram("transaction_records", "Records in a transaction, the offsets topic's among them.", []float64{1, 10, 100, 1000, 10000, 100000}, "lane"),
		acquires:           counter("lane_acquires_total", "Times a lane was acquired: fenced, read and claimed.", "lane"),
		fenced:             counter("lane_fenced_total", "Times another instance took a lane.", "lane"),
		restoreSeconds:     gauge("lane_restore_seconds", "How long the last acquire took.", "lane"),
		restored:           counter("lane_restored_records_total", "Records of the offsets topic read at acquires.", "lane"),
		laneReady:          gauge("lane_acquired", "1 while the lane is owned and ready.", "lane"),

		oauth: oauthMetrics{
			expiry:    gauge("oauth_token_expiry_timestamp_seconds", "When the source's access token ends; 0 where that is not known.", "source"),
			reauth:    gauge("oauth_reauth_required", "1 while a person has to log in before the source can be read.", "source"),
			refreshes: counter("oauth_refreshes_total", "Requests to the source's token endpoint by outcome.", "source", "outcome"),
			window:    histogram("oauth_commit_seconds", "Time from the answer of the token endpoint to its commit.", durationBuckets, "source"),
		},
		replica: replicaMetrics{
			records:  gauge("replica_records", "Records in the replica.", sc...),
			applied:  gauge("replica_applied_timestamp_seconds", "Timestamp of the last message that was applied to the replica.", sc...),
			behind:   gauge("replica_behind_offsets", "Offsets of the data topic that are not applied to the replica.", sc...),
			ready:    gauge("replica_ready", "1 while the replica may be read: it has been at the end of its topic.", sc...),
			rebuilds: counter("replica_rebuilds_total", "Times the replica was read again from the beginning of its topic.", sc...),
		},
	}
}

// SourceMetrics are the metrics of one source.
type SourceMetrics struct {
	Requests        *prometheus.CounterVec // by code
	RequestDuration prometheus.Observer
	Retries         *prometheus.CounterVec // by reason
	Refused         *prometheus.CounterVec // by reason

	BudgetLimit, BudgetRemaining prometheus.Gauge
	BudgetForeign                prometheus.Counter
	BudgetSpent                  [len(Priorities)]prometheus.Counter
	BudgetWaiting                [len(Priorities)]prometheus.Gauge
	BudgetWait                   [len(Priorities)]prometheus.Observer
}

// Source returns the metrics of a source, each series present with 0.
func (m *Metrics) Source(name string) *SourceMetrics {
	l := prometheus.Labels{"source": name}
	s := &SourceMetrics{
		Requests:        m.requests.MustCurryWith(l),
		RequestDuration: m.requestDuration.With(l),
		Retries:         m.retries.MustCurryWith(l),
		Refused:         m.refused.MustCurryWith(l),
		BudgetLimit:     m.budgetLimit.With(l), BudgetRemaining: m.budgetRemaining.With(l), BudgetForeign: m.budgetForeign.With(l),
	}
	s.BudgetRemaining.Set(math.NaN())
	for i, p := range Priorities {
		s.BudgetSpent[i] = m.budgetSpent.MustCurryWith(l).WithLabelValues(p)
		s.BudgetWaiting[i] = m.budgetWaiting.MustCurryWith(l).WithLabelValues(p)
		s.BudgetWait[i] = m.budgetWait.MustCurryWith(l).WithLabelValues(p)
	}
	for _, c := range codes {
		s.Requests.WithLabelValues(c)
	}
	for _, r := range RetryReasons {
		s.Retries.WithLabelValues(string(r))
	}
	for _, r := range RefusedReasons {
		s.Refused.WithLabelValues(r)
	}
	return s
}

// LaneMetrics are the metrics of one lane.
type LaneMetrics struct {
	Transactions   *prometheus.CounterVec // by outcome
	Seconds        prometheus.Observer
	Records        prometheus.Observer
	Acquires       prometheus.Counter
	Fenced         prometheus.Counter
	RestoreSeconds prometheus.Gauge
	Restored       prometheus.Counter
	Acquired       prometheus.Gauge
}

// Lane returns the metrics of a lane, each series present with 0.
func (m *Metrics) Lane(lane string) *LaneMetrics {
	l := prometheus.Labels{"lane": lane}
	v := &LaneMetrics{
		Transactions: m.transactions.MustCurryWith(l),
		Seconds:      m.transactionSeconds.With(l), Records: m.transactionRecords.With(l),
		Acquires: m.acquires.With(l), Fenced: m.fenced.With(l),
		RestoreSeconds: m.restoreSeconds.With(l), Restored: m.restored.With(l), Acquired: m.laneReady.With(l),
	}
	for _, o := range TransactionOutcomes {
		v.Transactions.WithLabelValues(o)
	}
	return v
}
