//go:build unix

package kafkatest

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// ConsoleConsumer returns what Kafka's own console consumer, of Java, shows of a topic from
// its beginning: the first n records that are committed, a line each, with headers and key
// before the value, apart by tabs.
func (b *Broker) ConsoleConsumer(ctx context.Context, t testing.TB, topic string, n int) []string {
	t.Helper()
	out, err := b.java(ctx, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", b.InternalAddr(),
		"--topic", topic, "--from-beginning", "--max-messages", fmt.Sprint(n), "--isolation-level", "read_committed",
		"--formatter-property", "print.headers=true", "--formatter-property", "print.key=true").Output()
	if err != nil {
		t.Fatalf("console consumer: %v\n%s", err, out)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}
