// Package sim runs the whole engine in virtual time: sink.Own and connector.Reader, wired
// as the program wires them, between an API whose history a judge knows and an in-process
// Kafka.
//
//	hostile API ◄─ link ─ process: Own, Lane, Readers ─ link ─► kfake ──► oracle
//
// A world is one synctest bubble with everything in it: hours pass in milliseconds, and
// whatever outlives its owner is a deadlock that the bubble reports. A process is one
// instance of the connector. Its link is all that it has of the world: it can be cut at
// any request, lose a reply that the broker has given, be frozen and woken up, be slow. A
// process that dies speaks no word more: its client ends no transaction.
//
// Three suites:
//
//   - crash: a scenario, and a fault at each of its requests to Kafka, six kinds of it.
//   - codes: the same scenario, and every error code that Kafka may answer with.
//   - schedules: operations drawn at random, several processes at once.
//
// Whatever happened, at the end one process runs to quiet, and then is judged
//
//   - by package oracle, what a consumer gets: nothing lost, nothing twice, nothing out of
//     order, no torn batch;
//   - the offsets topic: its sum verifies, and the live part of the ledger is the fold of
//     the data topic;
//   - every word of the connector to itself: a batch of which Flush said that it is
//     committed stands in the topic, and stood there when it was said.
//
// It never breaks Kafka itself: what a broker may answer is injected, a broker that
// forgets what it answered is not (kfake is no Kafka there).
package sim
