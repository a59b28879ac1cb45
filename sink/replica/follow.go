package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
)

var (
	// errGone is a file that is not at its path any more, or was written to by another.
	errGone = errors.New("the file is not the one that was opened")
	// errAnew is a topic that was made again: the client knows the old one by its id.
	errAnew = errors.New("a topic was made again")
)

const (
	// pollRecords bounds what one transaction of SQLite takes, pollWait how long a poll
	// waits before other things are looked after.
	pollRecords = 10_000
	pollWait    = 250 * time.Millisecond
	// lookEvery is how often all topics are looked at: which they are, and their ends.
	lookEvery = 10 * time.Second
	// standEvery is how often the file is looked for at its path.
	standEvery = time.Second
)

// A session is one life of the client that reads the topics.
type session struct {
	r      *Replica
	file   *file
	cl     *kgo.Client
	reads  map[*collection]int // how many partitions of it the client reads
	looked time.Time           // at all of them
	stood  time.Time
	began  time.Time
}

// follow applies what the topics hold until ctx is done or something fails.
func (r *Replica) follow(ctx context.Context) error {
	r.mu.Lock()
	f := r.file
	r.mu.Unlock()
	if f == nil {
		return errGone
	}
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, r.cfg.Kafka...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// The end of a partition is mostly a marker: without them its position would
		// never come there.
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.DisableClientMetrics(),
	)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	s := &session{r: r, file: f, cl: cl, reads: map[*collection]int{}, stood: time.Now(), began: time.Now()}
	for {
		if err := s.attend(ctx); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, pollWait)
		fetches := cl.PollRecords(wait, pollRecords)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.refused(fetches)
		if err := s.applyUntilDone(ctx, fetches); err != nil {
			return err
		}
	}
}

// attend looks after what is due beside polls.
func (s *session) attend(ctx context.Context) error {
	r := s.r
	r.mu.Lock()
	broken := r.broken
	r.mu.Unlock()
	if broken != nil {
		return broken
	}
	if time.Since(s.stood) > standEvery {
		if s.stood = time.Now(); !s.file.stands(r.cfg.Path) {
			return errGone
		}
	}
	all := time.Since(s.looked) > cmp.Or(r.cfg.look, lookEvery)
	var due []*collection
	r.mu.Lock()
	for _, c := range r.order {
		if all || c.waiting != "" && time.Now().After(c.again) {
			due = append(due, c)
		}
	}
	r.mu.Unlock()
	if len(due) > 0 {
		if err := s.look(ctx, due); err != nil {
			return err
		}
		if all {
			s.looked = time.Now()
		}
	}
	return s.probe(ctx)
}

// ends are the offsets of some topics' partitions.
type ends struct{ start, stable, high kadm.ListedOffsets }

// look finds out which topics stand under the names, and reads those that fit.
func (s *session) look(ctx context.Context, due []*collection) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var topics []string
	for _, c := range due {
		topics = append(topics, c.Topic)
	}
	adm, at := kadm.NewClient(s.cl), time.Now()
	details, err := adm.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("look up topics: %w", err)
	}
	topics = topics[:0]
	for _, d := range details {
		if d.Err == nil {
			topics = append(topics, d.Topic)
		}
	}
	var e ends
	if len(topics) > 0 {
		var err1, err2, err3 error
		e.start, err1 = adm.ListStartOffsets(ctx, topics...)
		e.stable, err2 = adm.ListCommittedOffsets(ctx, topics...)
		e.high, err3 = adm.ListEndOffsets(ctx, topics...)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("list offsets: %w", err)
		}
	}
	s.askKeeps(ctx, adm, due, details)
	var anew error
	for _, c := range due {
		switch err := s.judge(ctx, c, details[c.Topic], e, at); {
		case errors.Is(err, errAnew):
			anew = err
		case err != nil:
			return err
		}
	}
	s.add(due)
	s.r.announce(time.Since(s.began))
	return anew
}

// judge compares a collection's rows with the topic that there is. Rows that are not of it
// are read again. The ends were asked for at a time. Its error is about the file, or errAnew.
func (s *session) judge(ctx context.Context, c *collection, d kadm.TopicDetail, e ends, at time.Time) error {
	r := s.r
	switch {
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		r.wait(c, fmt.Sprintf("its topic %s does not exist", c.Topic))
		if s.reads[c] > 0 {
			return errAnew
		}
		return nil
	case d.Err != nil:
		r.wait(c, fmt.Sprintf("topic %s: %v", c.Topic, d.Err))
		return nil
	}
	start, stable, high := make([]int64, len(d.Partitions)), make([]int64, len(d.Partitions)), make([]int64, len(d.Partitions))
	for p := range d.Partitions {
		a, ok1 := e.start.Lookup(c.Topic, p)
		b, ok2 := e.stable.Lookup(c.Topic, p)
		h, ok3 := e.high.Lookup(c.Topic, p)
		err := errors.Join(a.Err, b.Err, h.Err)
		if !ok1 || !ok2 || !ok3 || err != nil || int(p) >= len(start) {
			r.wait(c, fmt.Sprintf("topic %s has no offsets of partition %d: %v", c.Topic, p, err))
			return nil
		}
		start[p], stable[p], high[p] = a.Offset, b.Offset, h.Offset
	}
	why := cmp.Or(c.misfit(d, start, high), c.forgotten(at))
	if why != "" {
		if c.number != 0 {
			r.log.Warn("a collection is read again from the beginning of its topic", "collection", c.Name, "why", why)
			c.m.Rebuilds.Inc()
		}
		r.wait(c, "it is read again: "+why)
		number, err := s.file.reset(ctx, c, d.ID.String(), start, at)
		if err != nil {
			return err
		}
		r.begin(c, number, d.ID.String(), start, at)
	} else if had := len(c.partitions); len(start) > had {
		r.log.Info("a topic has more partitions", "collection", c.Name, "topic", c.Topic, "partitions", len(start))
		if err := s.file.widen(ctx, c, had, start[had:]); err != nil {
			return err
		}
		r.grow(c, start[had:])
	}
	r.see(c, at, stable)
	if why != "" && s.reads[c] > 0 {
		return errAnew
	}
	return s.remember(ctx, c)
}

// misfit says why the rows of a collection are not those of the topic, "" if they are.
func (c *collection) misfit(d kadm.TopicDetail, start, high []int64) string {
	switch {
	case c.number == 0:
		return "the file does not have it"
	case c.topicID != d.ID.String():
		return fmt.Sprintf("topic %s was deleted and made again", c.Topic)
	case len(start) < len(c.partitions):
		return fmt.Sprintf("topic %s has %d partitions and had %d", c.Topic, len(start), len(c.partitions))
	case c.lost:
		return fmt.Sprintf("the brokers lost records of topic %s that were read", c.Topic)
	}
	for i, p := range c.partitions {
		switch {
		case p.next < start[i]:
			return fmt.Sprintf("topic %s begins at offset %d of partition %d, and was read up to %d", c.Topic, start[i], i, p.next)
		case p.next > high[i]:
			return fmt.Sprintf("topic %s ends at offset %d of partition %d, and was read up to %d", c.Topic, high[i], i, p.next)
		}
	}
	return ""
}

// add has the client read the partitions that it does not read yet.
func (s *session) add(due []*collection) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	add := map[string]map[int32]kgo.Offset{}
	for _, c := range due {
		if c.waiting != "" {
			continue
		}
		for i := s.reads[c]; i < len(c.partitions); i++ {
			if add[c.Topic] == nil {
				add[c.Topic] = map[int32]kgo.Offset{}
			}
			add[c.Topic][int32(i)] = kgo.NewOffset().At(c.partitions[i].next)
		}
		s.reads[c] = len(c.partitions)
	}
	s.cl.AddConsumePartitions(add)
}

// refused takes partitions that the broker refuses away from the client, so that the next
// look finds out why, and has them read again. That records were lost it would not find out,
// for others may stand where they did: an unclean leader election leaves no other trace.
func (s *session) refused(fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) {
		c := s.r.byTopic[topic]
		if c == nil || kerr.IsRetriable(err) && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return // the client tries again, or it is the end of a wait
		}
		var loss *kgo.ErrDataLoss
		if errors.As(err, &loss) {
			s.r.mu.Lock()
			c.lost = true
			s.r.mu.Unlock()
		}
		s.r.log.Warn("a partition cannot be read", "collection", c.Name, "topic", topic, "partition", partition, "err", err)
		s.r.wait(c, fmt.Sprintf("topic %s partition %d: %v", topic, partition, err))
		all := make([]int32, s.reads[c])
		for i := range all {
			all[i] = int32(i)
		}
		s.cl.RemoveConsumePartitions(map[string][]int32{topic: all})
		s.reads[c] = 0
	})
}

// probe looks at partitions where something is to come and nothing comes. Below another's
// open transaction there may be offsets with nothing but what was aborted, whose marker is
// above it: a consumer is told of neither, and does not know that it is there.
func (s *session) probe(ctx context.Context) error {
	type stalled struct {
		c    *collection
		p    *partition
		i    int32
		next int64
	}
	var all []stalled
	s.r.mu.Lock()
	for _, c := range s.r.order {
		for i, p := range c.partitions {
			if c.waiting == "" && p.next < max(p.target, p.wanted, p.end) && time.Since(p.moved) > 2*pollWait && time.Since(p.probed) > time.Second && len(all) < 100 {
				p.probed = time.Now()
				all = append(all, stalled{c, p, int32(i), p.next})
			}
		}
	}
	s.r.mu.Unlock()
	for _, at := range all {
		tail := offsets.NewTail(s.cl, at.c.Topic, at.i)
		tail.Next = at.next
		empty := true
		err := tail.Fetch(ctx, func(*kgo.Record) error { empty = false; return nil })
		if err != nil || !empty || tail.Next <= at.next {
			continue // whatever it is, the client finds it too
		}
		if err := s.commit(ctx, nil, []*move{{c: at.c, p: at.p, partition: at.i, from: at.next, next: tail.Next}}); err != nil {
			return err
		}
	}
	return nil
}
