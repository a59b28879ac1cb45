package budget

// A series is one of a metric, with what it shows.
type series struct {
	labels  map[string]string
	value   float64 // of a counter or a gauge
	buckets []bucket
}

// A bucket is one of a histogram: how many were at most that much.
type bucket struct {
	upTo  float64
	count uint64
}

// gather returns every series of a metric.
func (w *world) gather(name string) (all []series) {
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			s := series{labels: map[string]string{}, value: m.GetCounter().GetValue() + m.GetGauge().GetValue()}
			for _, l := range m.GetLabel() {
				s.labels[l.GetName()] = l.GetValue()
			}
			for _, b := range m.GetHistogram().GetBucket() {
				s.buckets = append(s.buckets, bucket{b.GetUpperBound(), b.GetCumulativeCount()})
			}
			all = append(all, s)
		}
	}
	return all
}

// value returns a counter's or a gauge's, summed over its series.
func (w *world) value(name string) (sum float64) {
	for _, s := range w.gather(name) {
		sum += s.value
	}
	return sum
}
