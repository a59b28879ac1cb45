// Package oracle judges what a connector wrote to Kafka against what package
// hostile's API held, and shares no code with the connector. It reads the topics as
// any consumer would, read_committed, to their high watermarks, and knows of every
// record which version it is, when the source held it and who was shown it.
//
//	o, err := oracle.New(oracle.Config{
//		Brokers: brokers, API: srv.API, Topics: map[string]string{"crm.people": "people"},
//	})
//	if err != nil { … }
//	defer o.Close()
//	took, v, err := o.WaitCaughtUp(ctx, 50*time.Millisecond) // once the source rests
//	if err != nil || !v.OK() { fmt.Println(v) }
//
// Judge may be called as often as one likes: it reads on from where it stood. While
// the source changes, Verdict.Safe is what must hold; OK asks for the end as well.
// What a reader saw as it went along must also be what a new one sees: at the end,
// judge once more with a new Oracle.
//
// # What exactly once means here
//
// The versions of a record are numbered in the order in which the source held them,
// whatever their stamps. A topic is right if, key by key, the numbers rise, no two
// neighbours differ only in fields that the hash leaves out, every value is to the
// byte what the API sent in a whole answer, and every tombstone stands for a
// deletion later than the version before it. A version that was overwritten before
// it was read may be missing; the last state may not.
//
// # What is allowed, and counted apart
//
// A connector orders versions by stamp and then by reading. Where replicas lag, both
// can mislead it, and no algorithm that only polls can tell. So, only if the API has
// answered from a stale replica at all:
//
//   - [SameTick]: an older version is published after a newer one if a version that
//     the connector may hold for the newer one (the same content, or the same
//     deletion, shown to somebody) has the same stamp.
//   - [NewerStamp]: the same, if that version has an older stamp.
//   - After either, the way back up: versions that were published or passed over
//     before, in rising order, until the newest so far is exceeded. They count under
//     the kind that began it.
//
// Nothing else is: no version twice in a row, no older version whose stamp is older
// than all that the newer state was ever shown with, no tombstone without a
// deletion, and nothing lost at the end. An older stamp is believed only a lookback
// later, and by then no replica shows the older version. [Rehashed] is apart from
// this: a version without new content after a change of the hash's fingerprint.
package oracle
