package oracle

import "github.com/twmb/franz-go/pkg/kgo"

// batch is one of which not every record was seen yet.
type batch struct {
	seq, n int64
	seen   map[int64]bool
	// hole says that an offset beside one of its records is missing: compaction, or
	// a transaction that was aborted.
	hole bool
	at   *kgo.Record // one of its records, to name the place
}

// place puts a data record into its batch, which it returns; nil if it has none.
func (o *Oracle) place(t *topic, p *partition, r *kgo.Record, h headers) *batch {
	if h.n == 0 {
		return nil
	}
	if h.seq < p.seq || h.seq == p.seq && h.i <= p.i {
		o.report(Torn, r, "record %d of batch %d after record %d of batch %d", h.i, h.seq, p.i, p.seq)
	}
	p.seq, p.i = h.seq, h.i
	if t.done[h.seq] {
		o.report(Torn, r, "record %d of batch %d, which had all its records", h.i, h.seq)
		return nil
	}
	b := t.open[h.seq]
	if b == nil {
		b = &batch{seq: h.seq, n: h.n, seen: make(map[int64]bool), at: r}
		t.open[h.seq] = b
	}
	if b.n != h.n {
		o.report(Torn, r, "batch %d has %d records and %d", h.seq, b.n, h.n)
	}
	if b.seen[h.i] {
		o.report(Torn, r, "record %d of batch %d again", h.i, h.seq)
	}
	b.seen[h.i] = true
	if int64(len(b.seen)) == b.n {
		t.close(b)
		o.batches++
	}
	return b
}

func (t *topic) close(b *batch) {
	delete(t.open, b.seq)
	t.done[b.seq] = true
}

// openBatches returns the batches of which records are missing, by topic.
func (o *Oracle) openBatches() map[*batch]*topic {
	missing := make(map[*batch]*topic)
	for _, t := range o.topics {
		for _, b := range t.open {
			missing[b] = t
		}
	}
	return missing
}

// judgeBatches judges batches that had time to become whole. It tells of each once.
func (o *Oracle) judgeBatches(missing map[*batch]*topic) {
	for b, t := range missing {
		if t.open[b.seq] != b {
			continue
		}
		t.close(b)
		if b.hole || o.cfg.Compacted {
			o.unjudged++
			continue
		}
		o.report(Torn, b.at, "batch %d has %d of its %d records", b.seq, len(b.seen), b.n)
	}
}
