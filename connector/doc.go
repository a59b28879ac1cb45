// Package connector reads collections of a source right: what to ask, what of the
// answers is new, and what is to be committed with it. It is the hub: sources and sinks
// know it, and it knows neither Kafka nor HTTP.
//
// # How a collection is read
//
// The head reads onward from the cursor. Whatever turns visible late is read once more
// by the trailing pass, when it is a lookback old. A newer instant wins, at an equal
// instant the later reading wins, and nothing else is believed at once: what contradicts
// an entry of the ledger without a newer instant is a doubt, and is believed when it is
// still so a lookback later. The clock of every rule is the server's Date.
//
// Read Reader.Pull, Reader.read, Reader.drain and Reader.diff, in this order.
//
// # What it promises
//
// P3. A change of the fields cared about that turns visible within the lookback of its
// updated_at, and is still the record's state when polled, is published. One that is
// overwritten before a poll may never be seen: polling cannot.
//
// State, ledger and doubts are always the fold of the batches that were staged. At every
// batch the fold of what was published is the live part of the ledger; a version is
// published only if its hash differs from the live one; the cursor never falls and never
// passes the server's clock; and a batch that says nothing is not staged.
//
// Where replicas of the source lag, two versions within one tick of its stamps are
// published in the order in which they were read, and an older version with a newer
// stamp may come before the truth does.
//
// # What it never does
//
// It never pages by number over a list that moves, never ends because a page is short,
// never decides by our own clock, never moves the cursor past what it has not read, and
// never goes on after an error of its committer: whoever started it forgets it then.
package connector
