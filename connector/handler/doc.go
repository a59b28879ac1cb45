// Package handler is for sources that no config describes: a program of one's own, the
// handler, says what changed, in Go (Handler) or over HTTP in any language (Client; its
// contract is openapi.yaml, and docs/handlers.md explains it).
//
// # How it goes
//
// The Runner calls the handler when a pull is due, with the state that it returned last
// and the reasons of the pull. A response is changes and the next state. Both are committed
// together or not at all, so the state is always that of what was published: a handler
// needs no storage of its own, and after a crash it is called with a state whose changes
// are all in Kafka. While a response says `more`, the handler is called again at once.
//
// A dump tells of everything there is. What it did not show is deleted when it has come to
// its end, under guards. A dump that is interrupted begins anew; nothing is published twice
// for that, since what the ledger knows is dropped.
//
// # What it promises
//
//   - Within a response deletions come first, then entries in their order. An id that is
//     in both ends up present; of an id that is there twice both versions are published,
//     in their order.
//   - A record that is as the ledger has it is dropped, as is the deletion of a record that
//     it does not have.
//   - A response that breaks the contract is refused whole. Nothing of it is committed, and
//     the handler is called again with the same state, after a pause: it may be under mend.
//   - A call may be repeated at any time, since a call by itself changes nothing. Only what
//     was committed moves the state.
//   - A pull that finds nothing writes nothing.
//
// What the handler tells wrongly, or does not tell, is neither found nor mended, but by a
// dump.
package handler
