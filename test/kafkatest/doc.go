//go:build unix

// Package kafkatest runs a real Apache Kafka for tests: version 4.3.1 in KRaft mode,
// one node, from its published jars, without a container. It needs Java 17 or newer
// and, for the first run of a machine, Maven; the jars are then kept in the user's
// cache directory and shared by every test process.
//
// Most tests want [Shared], one broker for all the tests of a package, and keep apart
// by [Broker.Prefix]. A test that stops, kills or pauses its broker, or needs other
// settings, takes one of its own from [Start], in about three seconds.
//
// A broker has two listeners for clients: that of [Broker.Addr], which speaks what the
// options ask for, and an internal one in plain text whose user is a super user. The
// helpers ([Broker.Client], [Broker.ReadCommitted], …) use the internal one, so that
// they look at what happened without the credentials of the test.
//
// Where Kafka cannot run, tests are skipped, each with one line that names it;
// with TRIBUTARY_REQUIRE_KAFKA=1 in the environment they fail instead.
//
// A broker never outlives its test process, however that ends (on Linux; elsewhere a
// killed test process leaves it behind). What such a process leaves in the temporary
// directory, the next one removes.
package kafkatest
