// Package sink is the lane: one partition of the offsets topic with the one
// transactional producer that may write it, and the transactions in which the changes
// of a batch and the state it leads to are committed.
//
// # What it promises
//
// P1. No version that was read is published twice, and the versions of one key are
// published in the order in which they were read.
//
// P2. Records, tombstones, cursor and hashes of a batch are committed together or not
// at all. (Partitions show a commit moments apart.)
//
// P4. After an error whose outcome is unknown, the connector believes only what Kafka
// says.
//
// (P3, that every change is found, is promised by package connector.) Consumers must
// read with isolation.level=read_committed.
//
// # How
//
// A lane is acquired: look, fence, read to the high watermark, claim. Then whatever its
// collections have staged is committed, one transaction after the other. Any error
// whose outcome is not certainly "nothing happened" makes the lane spent: its client is
// closed, its memory forgotten, and it is acquired again. There is no other recovery.
// Read Own, acquire and transact, in this order: they are the whole of it. What a broker
// left hanging of a transaction of ours is ended by acquire: that is in hanging, heal and
// mend, and nothing else depends on it.
//
// What a handler answers is a group: the batches of several collections and the state that
// they lead to, in one transaction (Group). A group, as a batch, is staged whole: it is cut,
// held and tried again whole or not at all.
//
// A command that changes state is a visit (Visit): it acquires the lane like anybody, and
// whoever runs the lane waits, and goes on from what it committed.
//
// # What consumers get
//
// A record's key is the id as text, its value the record's JSON as the source sent it,
// null for a deletion. Headers, all of them text:
//
//	ce_specversion    1.0: the headers are a CloudEvent in binary mode
//	ce_type           SOURCE.COLLECTION.upserted or .deleted
//	ce_source         /SOURCE/COLLECTION
//	ce_id             SEQ.I, unique within ce_source
//	ce_time           the record's instant, RFC 3339 in UTC
//	ce_subject        the id
//	content-type      application/json; not on deletions
//	tributary_batch   SEQ.I.N: the batch's number, the record's place in it from 0,
//	                  how many records the batch has
//	tributary_digest  first 16 bytes of SHA-256 of the value, in hexadecimal; not on
//	                  deletions
//	tributary_hash    P.HEX: the ledger's hash of the version and the number of the
//	                  fingerprint it was made with; not on deletions
//
// Along a partition (SEQ, I) strictly rises. The record's timestamp is when it was
// produced.
//
// # Dead letters
//
// A record that cannot be published may go to a dead letter queue (Config.Letters), in the
// transaction of its batch. Its key is the id, null where there is none that can be a key;
// its value what would have been published. Headers, all of them text; the first seven are
// Kafka Connect's (DeadLetterQueueReporter), as far as there is such a thing here:
//
//	__connect.errors.topic                 the data topic
//	__connect.errors.connector.name        SOURCE.COLLECTION
//	__connect.errors.task.id               the lane's number
//	__connect.errors.class.name            tributary.connector.Reader
//	__connect.errors.stage                 TASK_POLL, or KAFKA_PRODUCE if it is too large
//	__connect.errors.exception.class.name  tributary.BadRecord or .RecordTooLarge
//	__connect.errors.exception.message     why
//	ce_specversion, ce_source              as above
//	ce_type                                SOURCE.COLLECTION.rejected
//	ce_id                                  SEQ.letter.I
//	ce_time                                the record's instant, if it has one
//	tributary_batch                        SEQ.I.N, I of the N letters of the batch
//	tributary_digest                       of the whole value
//	content-type                           application/json; not if the value was cut
//	tributary_cut                          the whole value's length; only if it was cut
//
// It never opens a transaction across a request to a source, never retries a batch
// from memory after an unknown outcome, and never writes to a partition of the offsets
// topic that is not its lane's.
package sink
