package connector

import (
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A table holds the counters and gauges of collections, a row for each. Prometheus' own
// vectors take 550 bytes for a series, most of them for labels, and one in a table 24: of
// ten thousand collections with 39 series each that was half of all memory.
type table struct {
	families []family
	begun    *dto.Counter // has when counting began, which Prometheus is told
	cells    int          // of a row

	mu   sync.Mutex
	rows map[rowName]*metricRow
}

// A family is a metric of every collection.
type family struct {
	name, help string
	counter    bool
	// label is one beside source and collection, with its values; "": there is none.
	label  string
	values []string

	desc  *prometheus.Desc
	pairs []*dto.LabelPair // of the values
	first int              // of its cells in a row
}

type rowName struct{ source, collection string }

// A metricRow is one collection.
type metricRow struct {
	table  *table
	labels []*dto.LabelPair // collection and source
	cells  []Series
}

// A Series is a gauge, or a counter, of one collection. Its methods are safe for concurrent
// use.
type Series struct {
	bits  atomic.Uint64 // of its value
	row   *metricRow
	place uint32 // in the row
	of    uint32 // which family
}

// newTable registers a table of those families with reg.
func newTable(reg prometheus.Registerer, families []family) *table {
	t := &table{families: slices.Clone(families), begun: counterNow(), rows: map[rowName]*metricRow{}}
	for i := range t.families {
		f := &t.families[i]
		labels := []string{"source", "collection"}
		if f.label != "" {
			labels = append(labels, f.label)
			for _, v := range f.values {
				f.pairs = append(f.pairs, pairOf(f.label, v))
			}
		}
		f.desc = prometheus.NewDesc(prometheus.BuildFQName("tributary", "", f.name), f.help, labels, nil)
		f.first = t.cells
		t.cells += max(1, len(f.values))
	}
	// Prometheus asks a collector once, when it is registered, what it will have.
	t.row("", "")
	reg.MustRegister(prometheus.CollectorFunc(func(to chan<- prometheus.Metric) {
		t.collect(func(s *Series) { to <- s })
	}))
	clear(t.rows)
	return t
}

func counterNow() *dto.Counter {
	var m dto.Metric
	prometheus.NewCounter(prometheus.CounterOpts{Name: "begun"}).Write(&m) // which cannot fail
	return m.Counter
}

func pairOf(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// row returns that of a collection: each series is there from then on, with 0.
func (t *table) row(source, collection string) *metricRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := rowName{source, collection}
	if r := t.rows[name]; r != nil {
		return r
	}
	r := &metricRow{table: t, labels: []*dto.LabelPair{pairOf("collection", name.collection), pairOf("source", name.source)}, cells: make([]Series, t.cells)}
	for i := range t.families {
		f := &t.families[i]
		for n := range max(1, len(f.values)) {
			c := &r.cells[f.first+n]
			c.row, c.place, c.of = r, uint32(f.first+n), uint32(i)
		}
	}
	t.rows[name] = r
	return r
}

// collect gives each series to Prometheus.
func (t *table) collect(give func(*Series)) {
	t.mu.Lock()
	rows := slices.Collect(maps.Values(t.rows))
	t.mu.Unlock()
	for _, r := range rows {
		for i := range r.cells {
			give(&r.cells[i])
		}
	}
}

// family returns one by its name. One that is not there is a fault of whoever wrote it.
func (t *table) family(name string) *family {
	i := slices.IndexFunc(t.families, func(f family) bool { return f.name == name })
	if i < 0 {
		panic("no metric of collections is called " + name)
	}
	return &t.families[i]
}

// one returns the series of a family that has no further label.
func (r *metricRow) one(name string) *Series { return &r.cells[r.table.family(name).first] }

// by returns those of a family by its further label.
func (r *metricRow) by(name string) SeriesBy {
	f := r.table.family(name)
	return SeriesBy{values: f.values, cells: r.cells[f.first : f.first+len(f.values)]}
}

// SeriesBy are those of one collection that differ in one label.
type SeriesBy struct {
	values []string
	cells  []Series
}

// WithLabelValues returns the one with that value, which must be one of those that there are.
func (s SeriesBy) WithLabelValues(value string) *Series {
	i := slices.Index(s.values, value)
	if i < 0 {
		panic("no series of a collection is of " + value)
	}
	return &s.cells[i]
}

func (s *Series) family() *family { return &s.row.table.families[s.of] }

func (s *Series) value() float64 { return math.Float64frombits(s.bits.Load()) }

// Set sets a gauge.
func (s *Series) Set(v float64) { s.bits.Store(math.Float64bits(v)) }

// Inc adds 1.
func (s *Series) Inc() { s.Add(1) }

// Add adds to it.
func (s *Series) Add(v float64) {
	for {
		was := s.bits.Load()
		if s.bits.CompareAndSwap(was, math.Float64bits(math.Float64frombits(was)+v)) {
			return
		}
	}
}

// Desc is for Prometheus.
func (s *Series) Desc() *prometheus.Desc { return s.family().desc }

// Write is for Prometheus, which sorts labels, and in a copy.
func (s *Series) Write(out *dto.Metric) error {
	f, v := s.family(), s.value()
	out.Label = s.row.labels
	if f.label != "" {
		out.Label = append(slices.Clone(out.Label), f.pairs[int(s.place)-f.first])
	}
	if f.counter {
		out.Counter = &dto.Counter{Value: &v, CreatedTimestamp: s.row.table.begun.CreatedTimestamp}
	} else {
		out.Gauge = &dto.Gauge{Value: &v}
	}
	return nil
}
