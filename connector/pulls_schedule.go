package connector

import (
	"math"
	"time"
)

// Gap returns the longest time between two pulls that the schedule leaves within the next
// days, math.MaxInt64 where it leaves them to who asks. What it works out it remembers for a
// while: thousands of collections are looked at again and again.
func (p *Pulls) Gap() time.Duration {
	if p.interval > 0 {
		return p.interval
	}
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gapAt.IsZero() || now.Sub(p.gapAt).Abs() > gapFor {
		p.gap, p.gapAt = p.longest(now), now
	}
	return p.gap
}

const gapFor = time.Hour

func (p *Pulls) longest(now time.Time) time.Duration {
	gap := time.Duration(math.MaxInt64)
	for at, n := now, 0; n < 1000 && at.Before(now.AddDate(0, 0, 8)); n++ {
		next := p.scheduled(at, at, 0)
		if next.IsZero() {
			break
		}
		if n == 1 || n > 1 && next.Sub(at) > gap {
			gap = next.Sub(at)
		}
		at = next
	}
	return gap
}

// scheduled returns when the schedule wants the pull after one that began and ended then.
// A run of a cron expression that was missed, because the pull before took so long or
// nobody was there, is made up for once.
func (p *Pulls) scheduled(began, ended time.Time, ran Instant) time.Time {
	var at time.Time
	if p.interval > 0 {
		at = ended.Add(p.pause(ended.Sub(began)))
	}
	since := began
	if ran > 0 {
		since = ran.Time()
	}
	for _, c := range p.triggers.Cron {
		if next := c.Next(since); !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at
}

// pause returns how long to wait after a pull that took so long: pulls begin an interval
// apart, give or take the jitter that keeps collections from asking all at once. A pull
// that took longer than that is followed by a short one all the same, so that no setting
// makes a hot loop.
func (p *Pulls) pause(took time.Duration) time.Duration {
	spread := 1 + p.jitter*(2*p.random()-1)
	return max(time.Duration(spread*float64(p.interval))-took, p.interval/10, time.Millisecond)
}
