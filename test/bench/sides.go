//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The programs that are compared.
const (
	sideBare      = "bare"
	sideTributary = "tributary"
)

// command returns how one side is run in a named run of its own, and the topic that it
// writes. A poll interval of 0 runs it until it has caught up.
func (b *bench) command(side, run string, interval time.Duration) (topic, name string, args []string, err error) {
	topic = run + ".salesloft.people"
	if side == sideBare {
		c := bareConfig{api: b.apiURL + "/people", brokers: b.broker.Addr(), topic: topic,
			offsets: run + ".offsets", interval: interval}
		name, err = os.Executable()
		return topic, name, c.bareArgs(), err
	}
	file := filepath.Join(b.dir, run+".yaml")
	err = os.WriteFile(file, []byte(tributaryConfig(run, b.broker.Addr(), b.apiURL, interval)), 0o600)
	args = []string{"run", "-c", file}
	if interval == 0 {
		args = append(args, "--until-caught-up")
	}
	return topic, b.tributary, args, err
}

// tributaryConfig is what a user would write, with a budget that is no limit. Here the
// request rate is the reader's, not the API's.
func tributaryConfig(run, brokers, api string, interval time.Duration) string {
	if interval == 0 {
		interval = time.Second
	}
	return fmt.Sprintf(`group: %[1]s
kafka:
  brokers: [%[2]q]
offsets: {topic: %[1]s.offsets, lanes: 1, replication: 1}
topics: {name: "%[1]s.{source}.{collection}", partitions: 1, replication: 1}
log: {format: text, level: warn}
listen: 127.0.0.1:0
sources:
  - name: salesloft
    preset: salesloft
    url: %[3]s
    auth: {bearer: none}
    budget: {per_minute: 100000000, share: 1, window: none}
    interval: %[4]s
    collections: [people]
`, run, brokers, api, interval)
}

// createTopics makes the topics of a run, alike for both sides. The offsets topic of
// Tributary is its own matter.
func (b *bench) createTopics(ctx context.Context, side, topic string) error {
	names := []string{topic}
	if side == sideBare {
		names = append(names, strings.TrimSuffix(topic, "salesloft.people")+"offsets")
	}
	return b.admin(func(adm *kadm.Client) error {
		compact, week := "compact", "604800000"
		_, err := adm.CreateTopics(ctx, 1, 1, map[string]*string{"cleanup.policy": &compact, "delete.retention.ms": &week}, names...)
		return err
	})
}

// deleteTopic frees what a run has written, so that the runs after it find the same
// page cache and disk.
func (b *bench) deleteTopic(ctx context.Context, topic string) error {
	return b.admin(func(adm *kadm.Client) error {
		_, err := adm.DeleteTopics(ctx, topic)
		return err
	})
}

func (b *bench) admin(f func(*kadm.Client) error) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.broker.InternalAddr()))
	if err != nil {
		return err
	}
	defer cl.Close()
	return f(kadm.NewClient(cl))
}

// buildTributary builds the binary from the module that this directory is in.
func buildTributary(ctx context.Context, dir string) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	binary := filepath.Join(dir, "tributary")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/tributary")
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/tributary: %w: %s", err, out)
	}
	return binary, nil
}
