package rest

import (
	"fmt"
	"math"
	"time"

	"tributary/connector"
)

// Budget is what an API grants its account, in points, and how much of it is ours. The
// zero value is no limit of our own; what the API's answers state is obeyed all the same.
type Budget struct {
	// PerMinute is what the API grants the account in a minute, 0: nobody said. Share is
	// the part of it (over 0, up to 1) that is ours: others may use the same account.
	PerMinute int
	Share     float64
	// Window says when the API begins to count anew; "" is WindowSliding.
	Window Window
	// Burst is how long points can be saved up for, 0: DefaultBurst.
	Burst time.Duration
	Cost  Cost
	// Remaining, Limit and Reset name the headers in which the API states what is left of
	// the account's budget, how much it is in a window, and when it begins anew. Empty:
	// the usual names are looked for.
	Remaining, Limit, Reset string
	ResetAs                 ResetForm
}

// A Window is how an API counts.
type Window string

// The windows that an API may count in.
const (
	// WindowMinute begins anew with each minute of the API's own clock.
	WindowMinute Window = "minute"
	// WindowSliding counts the sixty seconds before each request: what keeps to it keeps
	// to every other window of a minute too.
	WindowSliding Window = "sliding"
	// WindowNone does not count: a budget that is spread evenly, and no more.
	WindowNone Window = "none"
)

// A ResetForm is how a reset header is written.
type ResetForm string

// The forms of a reset header. Empty: the number's size tells them apart.
const (
	ResetSeconds ResetForm = "seconds" // from now
	ResetUnix    ResetForm = "unix"
	ResetUnixMS  ResetForm = "unix_ms"
)

// DefaultBurst is how long points are saved up for, unless it is said otherwise: enough
// for the polls that come together, too little to leave others without.
const DefaultBurst = 10 * time.Second

// Cost is what requests cost in points. The zero value is 1 each.
type Cost struct {
	// Default is what a list costs, Probe one for records by their ids, Get one for a
	// single record; 0 is 1, and for the latter two Default.
	Default, Probe, Get float64
	// Pages are the prices of pages by number, ascending: each holds above its page.
	Pages []PageCost
	// Header is the header in which an answer states what it did cost; "" for none. What
	// it states is the truth, and what the next request of its kind is expected to cost.
	Header string
}

// PageCost is what a page beyond Above costs.
type PageCost struct {
	Above  int
	Points float64
}

// The kinds of requests that may differ in their cost.
type requestKind uint8

const (
	kindList requestKind = iota
	kindProbe
	kindGet
)

// A costKey is a kind of request with one price: of a list, also by how deep its page is.
type costKey struct {
	kind requestKind
	band int // how many of Cost.Pages the page is above
}

func (c *Cost) key(kind requestKind, page int) costKey {
	k := costKey{kind: kind}
	for kind == kindList && k.band < len(c.Pages) && page > c.Pages[k.band].Above {
		k.band++
	}
	return k
}

// of returns what the config says that such a request costs.
func (c *Cost) of(k costKey) float64 {
	list := c.Default
	if list == 0 {
		list = 1
	}
	switch {
	case k.kind == kindProbe && c.Probe > 0:
		return c.Probe
	case k.kind == kindGet && c.Get > 0:
		return c.Get
	case k.band > 0:
		return c.Pages[k.band-1].Points
	}
	return list
}

// largest returns the price of the dearest request. One that costs more than our share of a
// minute is sent all the same when that much is there, and the rest is owed.
func (c *Cost) largest() float64 {
	most := max(c.of(costKey{}), c.Probe, c.Get)
	for _, p := range c.Pages {
		most = max(most, p.Points)
	}
	return most
}

// costOf returns which price a request has: that of a kind of its own, or of a query.
func (c *Cost) costOf(q connector.Query, kind requestKind) costKey {
	if kind == kindList && len(q.IDs) > 0 {
		kind = kindProbe
	}
	return c.key(kind, q.Page)
}

// Validate says what cannot be meant.
func (b *Budget) Validate() error {
	switch {
	case b.PerMinute < 0:
		return fmt.Errorf("budget.per_minute is %d: it must be at least 1", b.PerMinute)
	case b.PerMinute > 0 && !(b.Share > 0 && b.Share <= 1):
		return fmt.Errorf("budget.share is %v: it must be more than 0 and at most 1", b.Share)
	case b.Burst < 0:
		return fmt.Errorf("budget.burst is %v: it must not be negative", b.Burst)
	}
	for i, p := range b.Cost.Pages {
		if p.Above < 1 || i > 0 && p.Above <= b.Cost.Pages[i-1].Above {
			return fmt.Errorf("budget.cost.pages: the page numbers must ascend, and %d does not", p.Above)
		}
	}
	return nil
}

// IsHeaderName says whether a header can have that name (RFC 9110, section 5.1).
func IsHeaderName(name string) bool { return isToken(name) }

// ours is our part of a minute's points.
func (b *Budget) ours() float64 { return float64(b.PerMinute) * b.share() }

func (b *Budget) share() float64 {
	if b.Share <= 0 || b.Share > 1 {
		return 1
	}
	return b.Share
}

func (b *Budget) window() Window {
	switch {
	case b.PerMinute == 0 && b.Window != WindowMinute:
		return WindowNone
	case b.Window == "":
		return WindowSliding
	}
	return b.Window
}

func (b *Budget) burst() time.Duration {
	if b.Burst == 0 {
		return DefaultBurst
	}
	return b.Burst
}

// even is our part as points a second; infinite where nobody said.
func (b *Budget) even() float64 {
	if b.PerMinute == 0 {
		return math.Inf(1)
	}
	return b.ours() / 60
}
