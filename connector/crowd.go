package connector

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A Crowd is what the collections of one source know of each other. At a start each of
// thousands would ask its API in the same moment: they take turns. While it fails, each would
// try again by itself within the minute, and say so: the more of them fail, the longer each of
// them waits, and the less is logged. The zero value is ready to use, and nil is the crowd of
// one. It is safe for concurrent use.
type Crowd struct {
	// Size is how many collections it has; 0: few.
	Size int

	mu      sync.Mutex
	next    time.Time // the turn of who begins next
	failing int
	lines   float64   // that may be logged
	at      time.Time // when there were as many
	hushed  int       // lines that were not logged since the last that was
}

// How much of a crowd is heard.
const (
	// crowded is how many may fail as if each were alone.
	crowded = 10
	// crowdPace is the time between two tries, of all that fail; crowdMax the longest wait
	// that comes of it.
	crowdPace = 50 * time.Millisecond
	crowdMax  = 5 * time.Minute
	// crowdLines are logged at once, and one each crowdLine from then on.
	crowdLines = 20
	crowdLine  = 10 * time.Second
	// startTogether begin at once, and one each startPace from then on.
	startTogether = 50
	startPace     = 10 * time.Millisecond
)

// turn returns when one that enters is to be pulled first, if nobody asks for it: now in a
// small crowd. All of a large one have had their turn within its interval, for that is how
// often they ask from then on; where it is long, sooner.
func (c *Crowd) turn(now time.Time, interval time.Duration) time.Time {
	if c == nil || c.Size <= startTogether {
		return now
	}
	size, gap := time.Duration(c.Size), startPace
	if interval > 0 {
		gap = min(gap, interval/size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := latest(c.next, now.Add(-(startTogether-1)*gap))
	// Who enters again and again, with a lane that comes and goes, takes more turns than one.
	c.next = earliest(at.Add(gap), now.Add(size*startPace))
	return latest(now, earliest(at, now.Add(size*gap)))
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// join counts one more that fails.
func (c *Crowd) join() {
	if c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failing++
	}
}

// leave counts one that does not fail any more.
func (c *Crowd) leave() {
	if c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failing--
	}
}

// wait returns how long one of those that fail has to wait at the least, between half and
// all of it by chance.
func (c *Crowd) wait(random func() float64) time.Duration {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing <= crowded {
		return 0
	}
	d := min(time.Duration(c.failing)*crowdPace, crowdMax)
	return d/2 + time.Duration(random()*float64(d/2))
}

// log logs a line about a request that failed, or fails no more: of a crowd, now and then
// one, with how many like it were left out. Those are for who wants to see everything.
func (c *Crowd) log(ctx context.Context, log *slog.Logger, now time.Time, level slog.Level, msg string, args ...any) {
	hushed, loud := c.say(now)
	if !loud {
		level = slog.LevelDebug
	} else if hushed > 0 {
		args = append(args, "not_logged", hushed)
	}
	log.Log(ctx, level, msg, args...)
}

// say says whether a line is to be logged, and how many were not since the last.
func (c *Crowd) say(now time.Time) (hushed int, loud bool) {
	if c == nil {
		return 0, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		c.lines = crowdLines
	} else {
		c.lines = min(crowdLines, c.lines+float64(now.Sub(c.at))/float64(crowdLine))
	}
	c.at = now
	if c.lines < 1 && c.failing > crowded {
		c.hushed++
		return 0, false
	}
	c.lines = max(0, c.lines-1)
	hushed, c.hushed = c.hushed, 0
	return hushed, true
}
