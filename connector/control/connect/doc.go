// Package connect speaks Kafka Connect's REST API for a running connector, so that the
// tools that show and operate Connect clusters show and operate it: kcctl, Redpanda
// Console, AKHQ, Kafbat UI.
//
// Each collection is a Connect "connector" named SOURCE.COLLECTION with one task, because
// Connect pauses, stops and resets connectors and not tasks. What would write a config is
// refused with 405: the config is a file. Shapes, codes and messages are those of Kafka
// 4.3.1, seen on a running worker; where ours differ, and what a state of ours is called
// there, docs/connect.md says.
package connect
