package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// A RestoringError is a collection that is not to be read yet.
type RestoringError struct{ Source, Collection, Why string }

func (e *RestoringError) Error() string {
	return fmt.Sprintf("the replica of %s.%s is restoring: %s", e.Source, e.Collection, e.Why)
}

// ready says whether the collection may be read. The replica's mu is held.
func (c *collection) ready() bool { return c.why() == "" }

// why says why it may not be read, "" if it may.
func (c *collection) why() string {
	if c.waiting != "" {
		return c.waiting
	}
	for i, p := range c.partitions {
		if !p.ready() {
			return fmt.Sprintf("partition %d of topic %s is applied up to offset %d of %d", i, c.Topic, p.next, p.target)
		}
	}
	return ""
}

// wait puts a collection off, because of its topic.
func (r *Replica) wait(c *collection, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.waiting == "" {
		c.tries = 0
	}
	c.waiting = why
	c.again = time.Now().Add(min(250*time.Millisecond<<min(c.tries, 5), 5*time.Second))
	c.tries++
	c.m.Ready.Set(0)
	r.tell()
}

// begin takes over that a collection's table is empty and is read from these offsets on,
// which was so at a time.
func (r *Replica) begin(c *collection, number int64, topicID string, start []int64, at time.Time) {
	r.mu.Lock()
	c.number, c.topicID, c.records, c.partitions, c.lost = number, topicID, 0, nil, false
	c.whole, c.kept, c.came, c.reach = at, at, false, nil // nothing has been forgotten since then
	c.insert = c.insertSQL()
	r.mu.Unlock()
	c.m.Records.Set(0)
	r.grow(c, start)
}

// grow adds partitions that are read from these offsets on.
func (r *Replica) grow(c *collection, start []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range start {
		c.partitions = append(c.partitions, &partition{next: at, target: -1, moved: time.Now()})
	}
}

// see takes over where a collection's partitions end, as was asked at a time. Where it is the
// first time, that is how far they have to be applied before they are read.
func (r *Replica) see(c *collection, at time.Time, stable []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.reached(at, stable)
	for i, p := range c.partitions {
		if p.target < 0 {
			p.target, p.moved = stable[i], time.Now()
		}
		p.end = max(p.next, stable[i])
	}
	c.waiting, c.tries = "", 0
	r.show(c)
	r.tell()
}

// moved takes over what was committed to the file.
func (r *Replica) moved(moves []*move) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range moves {
		m.p.next, m.p.moved = m.next, time.Now()
		m.p.end = max(m.p.end, m.end, m.next)
		m.c.records += m.records
		m.c.m.Applied.Set(max(0, float64(m.newest.UnixMilli())/1e3))
		r.show(m.c)
	}
	r.tell()
}

// ahead takes over how far the topics are ahead of what could not be applied.
func (r *Replica) ahead(fetches kgo.Fetches) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fetches.EachPartition(func(fp kgo.FetchTopicPartition) {
		c := r.byTopic[fp.Topic]
		if c == nil || int(fp.Partition) >= len(c.partitions) {
			return
		}
		p := c.partitions[fp.Partition]
		p.end = max(p.end, fp.LastStableOffset)
		r.show(c)
	})
}

// show sets the metrics of a collection. mu is held.
func (r *Replica) show(c *collection) {
	c.m.Records.Set(float64(c.records))
	c.m.Behind.Set(float64(c.behind()))
	if c.ready() {
		c.m.Ready.Set(1)
	} else {
		c.m.Ready.Set(0)
	}
}

func (c *collection) behind() (n int64) {
	for _, p := range c.partitions {
		n += p.end - p.next
	}
	return n
}

// announce logs once that all of it is there.
func (r *Replica) announce(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.whole {
		return
	}
	records := int64(0)
	for _, c := range r.order {
		if !c.ready() {
			return
		}
		records += c.records
	}
	r.whole = true
	r.log.Info("the replica has come to the end of its topics", "collections", len(r.order), "records", records, "took", took.Round(time.Millisecond))
}

// Await returns when everything below the positions is applied, so that whoever reads then
// reads it. Its error names what is missing.
func (r *Replica) Await(ctx context.Context, positions []connector.Position) error {
	for {
		r.mu.Lock()
		missing, err := r.missing(positions)
		changed, ended := r.changed, r.ended
		r.mu.Unlock()
		switch {
		case err != nil || missing == "":
			return err
		case ended:
			return fmt.Errorf("%s: the replica has ended", missing)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if trouble := r.Status().Trouble; trouble != "" {
				missing += ": " + trouble
			}
			return fmt.Errorf("%s: %w", missing, context.Cause(ctx))
		}
	}
}

// missing says what is not applied of what lies below the positions. mu is held.
func (r *Replica) missing(positions []connector.Position) (string, error) {
	var missing []string
	for _, at := range positions {
		c := r.byTopic[at.Topic]
		switch {
		case c == nil:
			return "", fmt.Errorf("the replica of %s does not follow topic %s", r.cfg.Source, at.Topic)
		case at.Partition < 0 || int(at.Partition) >= len(c.partitions) || c.waiting != "":
			missing = append(missing, fmt.Sprintf("partition %d of topic %s is not followed yet", at.Partition, at.Topic))
		default:
			p := c.partitions[at.Partition]
			p.wanted = max(p.wanted, at.Offset)
			if p.next < at.Offset {
				missing = append(missing, fmt.Sprintf("partition %d of topic %s is applied up to offset %d of %d", at.Partition, at.Topic, p.next, at.Offset))
			}
		}
	}
	return strings.Join(missing, "; "), nil
}

// CatchUp returns when everything is applied that the topics hold now. Topics that are not
// there hold nothing. What goes on failing it does not wait for.
func (r *Replica) CatchUp(ctx context.Context) error {
	positions, err := r.ends(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for since := time.Now(); sleep(ctx, time.Second) == nil; {
			trouble := r.Status().Trouble
			if trouble == "" {
				since = time.Now()
			} else if time.Since(since) > patience {
				cancel(errors.New(trouble))
			}
		}
	}()
	return r.Await(ctx, positions)
}

// patience is how long something fails before CatchUp gives it up.
const patience = 15 * time.Second

// ends are the positions behind all that the topics hold now.
func (r *Replica) ends(ctx context.Context) ([]connector.Position, error) {
	cl, err := kgo.NewClient(r.cfg.Kafka...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var topics []string
	for _, c := range r.order {
		topics = append(topics, c.Topic)
	}
	adm := kadm.NewClient(cl)
	details, err := adm.ListTopics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	topics = topics[:0]
	for _, d := range details {
		if d.Err == nil {
			topics = append(topics, d.Topic)
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	ends, err := adm.ListCommittedOffsets(ctx, topics...)
	if err := errors.Join(err, ends.Error()); err != nil {
		return nil, err
	}
	var positions []connector.Position
	ends.Each(func(o kadm.ListedOffset) {
		positions = append(positions, connector.Position{Topic: o.Topic, Partition: o.Partition, Offset: o.Offset})
	})
	return positions, nil
}

// Status is how a replica stands.
type Status struct {
	Path string `json:"path"`
	// Trouble says why nothing is applied at the moment, "" if it is.
	Trouble     string             `json:"trouble,omitempty"`
	Collections []CollectionStatus `json:"collections"`
}

// CollectionStatus is how one collection stands.
type CollectionStatus struct {
	Name string `json:"name"`
	// Restoring says why it may not be read yet, "" if it may.
	Restoring string `json:"restoring,omitempty"`
	Records   int64  `json:"records"`
	// Behind is how many offsets of its topic are not applied, as far as that is known.
	Behind  int64                `json:"behind"`
	Applied []connector.Position `json:"applied"`
}

// Status tells how it stands, the collections in the order of the config.
func (r *Replica) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{Path: r.cfg.Path}
	if r.trouble != nil {
		s.Trouble = r.trouble.Error()
	}
	for _, c := range r.order {
		cs := CollectionStatus{Name: c.Name, Restoring: c.why(), Records: c.records, Behind: c.behind()}
		for i, p := range c.partitions {
			cs.Applied = append(cs.Applied, connector.Position{Topic: c.Topic, Partition: int32(i), Offset: p.next})
		}
		s.Collections = append(s.Collections, cs)
	}
	return s
}
