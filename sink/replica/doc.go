// Package replica keeps the collections of a source in a SQLite file that is read from, by
// reading their topics back as any read_committed consumer would.
//
// # What it promises
//
// A row is there because its topic says so, and for no other reason. The rows and the
// positions up to which the topics were read are committed in one transaction of SQLite, so
// that a process that is killed anywhere goes on where its rows are. It never shows what
// was aborted, and nothing before it has come to the end that the topics had when it began:
// until then it is restoring. Whoever has the positions of a commit can wait for it (Await)
// and then reads it.
//
// What a reader may see of one Kafka transaction: its partitions arrive moments apart, and
// one that is larger than a poll arrives in several. Await waits for all of it.
//
// # The file
//
// It is disposable: what does not fit (another version, source, group, topic or index, a
// topic that was made again or cut, a damaged file), or has not been read for longer than its
// topic keeps tombstones, is read again from the beginning. So
// it is not synced at each commit (synchronous=NORMAL): a power cut may take the last
// transactions, rows and positions together, and they are read again. A file that this
// package did not make is refused and never touched. One process has it at a time: PATH-lock
// beside it is locked for as long.
//
// PRAGMA application_id is 0x54726230, user_version the version of this layout.
//
//	about        name, value: group and source
//	collections  number, name, topic, topic_id, partitions, indexes (a JSON list of paths), whole
//	             (when its rows were all that the topic held, in milliseconds since 1970)
//	positions    collection (its number), partition, next (the offset that is read next)
//	cN           of the collection with the number N: n, id (the record's key), record (its
//	             JSON as published), instant (microseconds since 1970), seq (the batch),
//	             partition, offset, and i0, i1, … for its indexes
//
// Other programs may read it while it is written to, but for the order of commits.
//
// # Queries
//
// List and Aggregate take queries and answer in JSON: docs/replica.md describes both. A
// query becomes SQL in which every value and every path is a bound parameter.
package replica
