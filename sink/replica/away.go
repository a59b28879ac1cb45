package replica

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// away is when a collection's rows were last all that its topic held, and how long the topic
// keeps tombstones. Compaction takes them away when they are older (delete.retention.ms):
// who has not read for as long is not told of what was deleted meanwhile.
type away struct {
	whole time.Time
	kept  time.Time // whole, as the file has it
	came  bool      // whether it was whole since its table was made, or the process began
	// looked is when reach was asked for: where the partitions ended then.
	looked time.Time
	reach  []int64
	// keeps is for how long tombstones stay, keepsForEver if they are never removed.
	keeps time.Duration
	asked time.Time // when that was asked for
}

const (
	keepsForEver = time.Duration(math.MaxInt64)
	// keepsByDefault is Kafka's, for where the right to ask is withheld.
	keepsByDefault = 24 * time.Hour
)

// forgotten says why deletions may be missing from a collection's rows, "" if none can be. A
// part of the time is kept back: what was open when they were whole may be committed since,
// and what is to be read takes its time. A table that is made anew is not made anew again for
// that before it was whole.
func (c *collection) forgotten(now time.Time) string {
	limit := c.keeps - c.keeps/8
	if c.waiting == "" {
		limit = max(limit, time.Minute) // looked at more often than that: it is not away
	}
	since := now.Sub(c.whole)
	if c.keeps == keepsForEver || since <= limit || c.waiting == "" && !c.came {
		return ""
	}
	return fmt.Sprintf("it has last had all of topic %s %v ago, and compaction leaves deletions there for %v", c.Topic, since.Round(time.Millisecond), c.keeps)
}

// reached takes over where the partitions end, as was asked at a time. If they have been
// applied to where they ended before, the rows were whole then. mu is held.
func (c *collection) reached(at time.Time, stable []int64) {
	came := len(c.reach) == len(c.partitions) && len(c.reach) > 0
	for i := range c.reach {
		came = came && c.partitions[i].next >= c.reach[i]
	}
	if came {
		c.whole, c.came = c.looked, true
	}
	c.looked, c.reach = at, stable
}

// remember has the file know when a collection was whole: not each time, for an idle replica
// writes next to nothing.
func (s *session) remember(ctx context.Context, c *collection) error {
	if c.whole.Sub(c.kept) <= min(c.keeps/64, time.Hour) {
		return nil
	}
	if _, err := s.file.write.ExecContext(ctx, "UPDATE collections SET whole = ? WHERE number = ?", c.whole.UnixMilli(), c.number); err != nil {
		if damaged(err) {
			return err
		}
		return nil // a disk that is full: the next time
	}
	c.kept = c.whole
	return nil
}

// askKeeps asks how long the topics of collections keep tombstones, now and then.
func (s *session) askKeeps(ctx context.Context, adm *kadm.Client, due []*collection, details kadm.TopicDetails) {
	var topics []string
	for _, c := range due {
		if time.Since(c.asked) > time.Hour && details[c.Topic].Err == nil {
			c.keeps = keepsByDefault
			topics = append(topics, c.Topic)
		}
	}
	if len(topics) == 0 {
		return
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return // it is asked at the next look
	}
	for _, rc := range configs {
		if c := s.r.byTopic[rc.Name]; c != nil {
			if c.asked = time.Now(); rc.Err == nil {
				c.keeps = keepsOf(rc)
			}
		}
	}
}

func keepsOf(rc kadm.ResourceConfig) time.Duration {
	keeps, compacted := keepsByDefault, true
	for _, conf := range rc.Configs {
		switch conf.Key {
		case "cleanup.policy":
			compacted = strings.Contains(conf.MaybeValue(), "compact")
		case "delete.retention.ms":
			if ms, err := strconv.ParseInt(conf.MaybeValue(), 10, 64); err == nil {
				keeps = time.Duration(min(ms, keepsForEver.Milliseconds())) * time.Millisecond
			}
		}
	}
	if !compacted || keeps > 100*365*24*time.Hour {
		return keepsForEver
	}
	return keeps
}
