// Package verify reads the topics of a connector and says what in them does not agree:
// the records of a data topic among themselves, and with the state and the ledger that
// the offsets topic holds of its collection.
//
// # The consistent point
//
// The lane is read first, to a boundary between two transactions: there it gives a state,
// with the number S of its last batch, and a ledger that belongs to it. Then the data
// topic is read to the high watermark taken after that, so that everything of the batches
// up to S lies below. A record of a later batch is newer than the point, and says nothing
// against it. Compaction removes what a newer record replaced, also while we read: what
// seems to be missing is looked at again at a later point, and once more from the
// beginning, before it is a finding.
//
// # What is kept
//
// Of a collection its ledger, a byte for each of its entries, and the keys that do not
// agree; of the batches those that are not complete yet. One data topic is read at a time.
//
// It never writes, never fences, never reads what is not committed, and never says that
// something is proved which it has not looked at: [Proved] and [NotProved] are what its
// findings are worth.
package verify

// Proved says in words what holds of topics in which nothing was found.
var Proved = []string{
	"every record of the offsets topic can be read, and the entries, marks, doubts and receipts that survive compaction add up to the sum in each state;",
	"each state belongs to the data topic there is, with its partitions, and lies on the lane where it is looked for;",
	"along each partition the records stand in the order of their batches, none twice, and none of a batch that was not committed;",
	"each value has the digest, and each record the headers, that it was published with;",
	"each key lies in the one partition that its hash gives;",
	"a reader of the whole topic ends with exactly the keys that the ledger holds as published, each in the version that the ledger names where both were hashed alike;",
	"batches are complete wherever the log around them is.",
}

// NotProved says in words what is not.
var NotProved = []string{
	"that the source was read rightly or completely (--against-source compares with it);",
	"versions that were overwritten and compacted away, and deletions that the source does not announce;",
	"the order across partitions, and what consumers see that do not read read_committed;",
	"the completeness of batches beside which compaction, retention or a deletion of records has left gaps: of these the last version of each key is judged and nothing else;",
	"the absence of a forger: digests are no signatures, and who rewrites a topic, its headers and its state to agree is not found.",
}
