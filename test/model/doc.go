// Package model checks the protocol by which a lane is acquired and commits, as
// commit.pml writes it down, with the model checker Spin: every interleaving of two
// instances, their deaths, their late requests and Kafka's markers, within bounds. It
// holds no code; its tests run spin and gcc, are skipped where these are not
// installed, and fail instead with TRIBUTARY_REQUIRE_SPIN=1 in the environment.
//
//	go test ./test/model
//	go test -v -run 'Caught/KEEP_MEMORY' ./test/model # tells the counterexample
//
// By hand, with the options that commit.pml lists:
//
//	spin -a -DKEEP_MEMORY -DACQUIRES=3 commit.pml
//	gcc -w -O1 -DSAFETY -DCOLLAPSE -o pan pan.c
//	./pan -m10000
//	spin -k commit.pml.trail -DKEEP_MEMORY -DACQUIRES=3 commit.pml
//
// # What is asserted
//
// P1: a read_committed reader of the data sees the versions 1, 2, 3, …, none twice and
// none left out. P2: whenever a transaction is complete, the committed cursor says
// exactly what is published; so the cursor is never ahead of the data, nor behind, and
// both come from one transaction. On a calm day (nothing dies, hangs or is lost, though
// the instances fence each other) nobody waits for ever and all is published in the end.
//
// # What may happen
//
// An instance dies between any two steps, comes back as a new run or never, or stands
// still for as long as the other one likes. A request is lost, or arrives after its
// sender has given up, died or been fenced; so does a reply. Kafka aborts an open
// transaction at any time. Markers are written one by one, later than the reply to
// EndTxn. A topic refuses a record. A stranger has a transaction open in the partition.
// That these do happen on the way to the last version is a test of its own.
//
// # Wrong variants, and what goes wrong
//
//	NO_FENCE                  each instance has a transactional id of its own: both read
//	                          cursor 0, and both commit version 1
//	FENCE_AFTER_READ          one reads cursor 0, the other commits version 1, the first
//	                          fences it and commits version 1 again
//	READ_LSO                  a stranger's open transaction lies below the committed
//	                          cursor: the next owner does not see it and publishes version
//	                          1 again. Without the stranger there is no counterexample
//	COMMIT_FAILED_PRODUCE     the data topic refuses version 1, its cursor is committed,
//	                          version 2 is published next
//	RETRY_AFTER_ENDTXN_ERROR  the commit took effect, its reply was lost, and the batch is
//	                          committed again from memory
//	KEEP_MEMORY               one is fenced, the other commits version 1, the first takes
//	                          the lane back and commits version 1 from memory
//	CURSOR_FIRST              death between two transactions: version 1 is never published
//	DATA_FIRST                death between two transactions: version 1 comes twice
//	STABLE_CLAIM              (with the assertion TRUE_FENCE) one takes the lane from another
//	                          run and claims it, fails before the marker of its claim is
//	                          written, looks no further than the last stable offset, and
//	                          ends because it reads the claim before its own
//	TV1 with RESEND           not a variant of ours: below KIP-890 an EndTxn that the client
//	                          sent twice may arrive once more in the middle of the next
//	                          transaction of the same epoch, and commits the half of it
//
// The last is why brokers from 4.0 on (transaction.version 2) are recommended: with
// RESEND and KIP-890 there is no counterexample.
//
// # What is left out
//
// It is the protocol and not the code: that sink does what the model does is for the
// tests of sink and for those that crash it. Left out or bounded are
//
//   - bounds: two or three versions, three or four acquires of both instances
//     together (starts and restarts included), one refused record. A fault that takes
//     more to show is not found.
//   - time: claimAge, backoff, the watchdog and the stall of a restore. What waits for a
//     clock may happen at any time, or never. So mustWait, visits, and the ping-pong
//     that claims are there to end are not judged. Who looks again after its fence,
//     because another's claim turned up, is here one that fails there.
//   - a batch is one version, a lane one collection with one data partition. Group
//     commit, quarantine and staging beside a running commit are not in it; a refused
//     batch is tried again as it was.
//   - the restore is one step that takes all that is stable at that moment, compaction
//     and truncation do not happen, and a broker never forgets what it acknowledged.
//   - in the network an instance has at most one late request of a kind: the next of
//     that kind takes its place. The other instance's stand beside it.
//   - a late request that can only be turned away is turned away at once, epochs are
//     kept as differences, runs as whose they are, and instance 0 starts first: this
//     makes fewer states and no fewer outcomes.
//   - InitProducerID and, with TV1, AddPartitionsToTxn are one step each, with their
//     replies. One that comes late is as one whose sender dies right after it.
//   - with TV1, the leader's check with the coordinator (Kafka 3.6 and later) is left out:
//     a leader compares epochs alone.
package model
