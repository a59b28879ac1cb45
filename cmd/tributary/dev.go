package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/term"
)

const devWarning = `
  ── DEV MODE ─────────────────────────────────────────────────────────────────────
  Kafka runs inside this process, in memory. NOTHING IS KEPT: when it ends, the
  topics and the state are gone, and the next run reads everything again.
  kafka.brokers of the config is not used. Changes are printed as they are published.
  ─────────────────────────────────────────────────────────────────────────────────

`

// devKafka is a Kafka inside this process.
type devKafka struct {
	cluster *kfake.Cluster
	topics  []string
	folder  string // of the replicas
}

// startDev starts it and points the config at it.
func startDev(cfg *Config) (*devKafka, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, fmt.Errorf("start a Kafka in this process: %w", err)
	}
	cfg.Kafka = KafkaConfig{Brokers: cluster.ListenAddrs()}
	cfg.Offsets.Replication, cfg.Topics.Replication, cfg.Topics.Create = 1, 1, true
	d := &devKafka{cluster: cluster}
	for i, s := range cfg.Sources {
		for _, c := range s.Collections {
			d.topics = append(d.topics, c.Topic)
		}
		if s.Replica == nil {
			continue
		}
		// The replica of the config is of other topics, and stays what it is.
		if err := d.makeFolder(); err != nil {
			d.Close()
			return nil, err
		}
		cfg.Sources[i].Replica = &ReplicaConfig{Path: filepath.Join(d.folder, s.Name+".db"), Indexes: s.Replica.Indexes}
	}
	return d, nil
}

func (d *devKafka) makeFolder() (err error) {
	if d.folder == "" {
		d.folder, err = os.MkdirTemp("", "tributary-dev-")
	}
	return err
}

// Close ends the broker, and with it all that was published.
func (d *devKafka) Close() {
	d.cluster.Close()
	if d.folder != "" {
		os.RemoveAll(d.folder)
	}
}

// print writes every change to w as a read_committed consumer gets it, until ctx is
// done and everything that was published by then is printed.
func (d *devKafka) print(ctx context.Context, w io.Writer, paint painter) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(d.cluster.ListenAddrs()...), kgo.ConsumeTopics(d.topics...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(500*time.Millisecond),
		kgo.KeepControlRecords(), // they end a partition, and so one knows to have come there
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	read := map[string]map[int32]int64{}
	var told time.Time
	for {
		wait, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		fetches := cl.PollFetches(wait)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) {
			if read[r.Topic] == nil {
				read[r.Topic] = map[int32]int64{}
			}
			read[r.Topic][r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				fmt.Fprintln(w, paint.change(r))
			}
		})
		if ctx.Err() == nil {
			continue
		}
		if told.IsZero() {
			told = time.Now()
		}
		if d.readAll(cl, read) || time.Since(told) > printWithin {
			return nil
		}
	}
}

// printWithin is for how long what was published is still printed at the end.
const printWithin = 10 * time.Second

// readAll says whether there is nothing more in the topics than was read.
func (d *devKafka) readAll(cl *kgo.Client, read map[string]map[int32]int64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, d.topics...)
	if err != nil {
		return false
	}
	all := true
	ends.Each(func(o kadm.ListedOffset) { // a topic that was never made has none
		all = all && (o.Err != nil || read[o.Topic][o.Partition] >= o.Offset)
	})
	return all
}

// A painter writes changes for people, one a line, in colour where there is a terminal.
type painter struct {
	color bool
	width int // of a line in characters; 0: as long as it is
}

// newPainter paints for w.
func newPainter(w io.Writer) painter {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return painter{}
	}
	p := painter{color: os.Getenv("NO_COLOR") == "", width: 120}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		p.width = max(60, width)
	}
	return p
}

// change returns when, where, what, which and the value.
func (p painter) change(r *kgo.Record) string {
	verb, color := "upsert", "32"
	if r.Value == nil {
		verb, color = "delete", "31"
	}
	when, where := r.Timestamp.Format("15:04:05.000"), fmt.Sprintf("%-20s", r.Topic)
	rest := fmt.Sprintf("%6s  %s", oneLine(r.Key), oneLine(r.Value))
	if line := []rune(rest); p.width > 0 {
		if room := p.width - len(when) - len([]rune(where)) - len(verb) - 4; len(line) > room {
			rest = string(line[:max(1, room-1)]) + "…"
		}
	}
	if p.color {
		when, verb = "\x1b[2m"+when+"\x1b[0m", "\x1b["+color+"m"+verb+"\x1b[0m"
	}
	return when + " " + where + " " + verb + " " + rest
}
