package connector

import "github.com/prometheus/client_golang/prometheus"

// replicaMetrics are those of replicas, by source and collection.
type replicaMetrics struct {
	records, applied, behind, ready *prometheus.GaugeVec
	rebuilds                        *prometheus.CounterVec
}

// ReplicaMetrics are the metrics of one collection of a replica.
type ReplicaMetrics struct {
	Records, Behind prometheus.Gauge
	// Applied is the timestamp of the last message that was applied.
	Applied prometheus.Gauge
	// Ready is 1 while it may be read.
	Ready    prometheus.Gauge
	Rebuilds prometheus.Counter
}

// Replica returns the metrics of a collection that is in a replica, each series present
// with 0.
func (m *Metrics) Replica(source, collection string) *ReplicaMetrics {
	l := prometheus.Labels{"source": source, "collection": collection}
	return &ReplicaMetrics{
		Records: m.replica.records.With(l), Behind: m.replica.behind.With(l),
		Applied: m.replica.applied.With(l), Ready: m.replica.ready.With(l), Rebuilds: m.replica.rebuilds.With(l),
	}
}
