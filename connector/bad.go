package connector

import "fmt"

// mostPast is how many records that cannot be published a reader remembers to have counted:
// at the cursor they are read by every poll.
const mostPast = 10_000

// bad counts a record that cannot be published, once, or stops at it.
func (r *Reader) bad(rec Record, tooLarge bool) error {
	version := event{receiptKey(&rec), rec.Instant}
	_, again := r.past[version]
	if !again {
		if r.past == nil || len(r.past) >= mostPast {
			r.past = map[event]struct{}{}
		}
		r.past[version] = struct{}{}
		r.m.Skipped.WithLabelValues("bad_record").Inc()
	}
	switch r.set.OnBadRecord {
	case SkipBadRecord:
		if !again {
			r.env.Log.Warn("record passed over", "id", rec.ID[:min(len(rec.ID), 100)], "stamp", rec.Stamp, "why", rec.Bad)
		}
		return nil
	case DeadLetterQueue:
		return r.letter(&rec, tooLarge)
	}
	return &StopError{
		What:   fmt.Sprintf("record %q (%s) cannot be published: %s", rec.ID, rec.Stamp, rec.Bad),
		Remedy: "mend the record at its source, or set `on_bad_record: dlq` (such records go to a topic of their own) or `on_bad_record: skip` for this collection",
	}
}
