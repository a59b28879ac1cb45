package rest

import "time"

// A serverClock estimates what an API's clock shows, from the Date of its answers. A Date
// has whole seconds and was written some time between sending and receiving; each narrows
// down by how much that clock is ahead of ours.
type serverClock struct {
	known     bool
	low, high time.Duration // of the server's Unix time less ours
}

// observe takes the Date of an answer to a request that was sent and received at these
// instants of our clock. What contradicts all before is a clock that was set.
func (c *serverClock) observe(date time.Time, sent, received time.Duration) {
	if date.IsZero() {
		return
	}
	at := time.Duration(date.UnixNano())
	low, high := at-received, at+time.Second-sent
	if c.known {
		if l, h := max(low, c.low), min(high, c.high); l <= h {
			low, high = l, h
		}
	}
	c.known, c.low, c.high = true, low, high
}

// unix returns the server's Unix time at an instant of our clock: rather late than early,
// so that a minute is taken to be over when it is.
func (c *serverClock) unix(now time.Duration) time.Duration { return now + c.low }

// minute numbers the server's calendar minutes, and says when on our clock this one ends.
func (c *serverClock) minute(now time.Duration) (number int64, ends time.Duration) {
	number = int64(c.unix(now) / time.Minute)
	return number, time.Duration(number+1)*time.Minute - c.low
}
