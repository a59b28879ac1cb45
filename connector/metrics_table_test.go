package connector

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestATableShowsWhatVectorsWould compares it with those that Prometheus has.
func TestATableShowsWhatVectorsWould(t *testing.T) {
	ours, theirs := prometheus.NewRegistry(), prometheus.NewRegistry()
	table := newTable(ours, []family{
		{name: "height", help: "How high."},
		{name: "seen_total", help: "How many.", counter: true},
		{name: "ended_total", help: "By outcome.", counter: true, label: "outcome", values: []string{"ok", "error"}},
		{name: "state", help: "1 for one.", label: "state", values: []string{"up", "down"}},
	})
	if got, err := ours.Gather(); err != nil || len(got) != 0 {
		t.Fatalf("a table without a row shows %v, %v", got, err)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tributary", Name: name, Help: help}, labels)
		theirs.MustRegister(v)
		return v
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tributary", Name: name, Help: help}, labels)
		theirs.MustRegister(v)
		return v
	}
	height, seen := gauge("height", "How high.", "source", "collection"), counter("seen_total", "How many.", "source", "collection")
	ended := counter("ended_total", "By outcome.", "source", "collection", "outcome")
	state := gauge("state", "1 for one.", "source", "collection", "state")
	for i, name := range []rowName{{"eu", "people"}, {"eu", "accounts"}, {"us", "people"}, {"eu", "people"}} {
		r, n := table.row(name.source, name.collection), float64(i)+1.5
		r.one("height").Set(n)
		height.WithLabelValues(name.source, name.collection).Set(n)
		r.one("seen_total").Add(n)
		seen.WithLabelValues(name.source, name.collection).Add(n)
		for _, outcome := range []string{"ok", "error"} {
			ended.WithLabelValues(name.source, name.collection, outcome)
		}
		r.by("ended_total").WithLabelValues("error").Inc()
		ended.WithLabelValues(name.source, name.collection, "error").Inc()
		for _, s := range []string{"up", "down"} {
			r.by("state").WithLabelValues(s).Set(oneIf(s == "down"))
			state.WithLabelValues(name.source, name.collection, s).Set(oneIf(s == "down"))
		}
	}
	got, err := ours.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want, err := theirs.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) || len(want) != 4 {
		t.Fatalf("it shows %d families, want %d", len(got), len(want))
	}
	for i, family := range want {
		for _, m := range slices.Concat(family.Metric, got[i].Metric) {
			if m.Counter != nil && m.Counter.CreatedTimestamp == nil {
				t.Errorf("%s does not say since when it counts", family.GetName())
			} else if m.Counter != nil {
				m.Counter.CreatedTimestamp = nil
			}
		}
		if got[i].String() != family.String() {
			t.Errorf("it shows\n%v\nwant\n%v", got[i], family)
		}
	}
}

func TestTheMetricsOfACollectionAreFewPiecesOfMemory(t *testing.T) {
	m, names := NewMetrics(prometheus.NewRegistry()), make([]string, 200)
	m.Collection("s", "first") // which makes what all of a source share
	for i := range names {
		names[i] = string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	i := 0
	pieces := testing.AllocsPerRun(len(names)-1, func() {
		m.Collection("s", names[i])
		i++
	})
	if pieces > 40 || pieces < 5 {
		t.Errorf("a collection has %.0f pieces of memory for its metrics", pieces)
	}
}
