package hostile

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// Config says what the API is like for as long as it lives. The zero value is an API
// without collections; Insert makes them.
type Config struct {
	// Collections exist from the start, empty; others answer 404 until written to.
	Collections []string
	// Seed makes the API's choices repeatable, as far as the order of requests is.
	Seed uint64
	// Token, if not empty, is the bearer token that requests must carry.
	Token string
	// Authorize, if not nil, says of each request's bearer token whether it is good now.
	Authorize func(token string) bool
	// StringIDs gives records ids like "person-17"; else they are numbers from
	// FirstID (1 if 0).
	StringIDs bool
	FirstID   int64
	// Size pads a record's JSON to this many bytes.
	Size int
	// Budget is what its account is granted.
	Budget Budget
	// Now is the API's clock; nil is time.Now.
	Now func() time.Time
}

// API is the hostile API. It is an http.Handler, safe for concurrent use.
type API struct {
	cfg Config

	mu          sync.Mutex // guards all below
	hostility   Hostility
	rng         *rand.Rand
	clock       int64 // the latest instant given out, in microseconds
	collections map[string]*collection
	pending     []*Version // not visible yet, by the instant at which they will be
	plants      int64      // numbers of planted rows, downwards
	fired       map[string]int
	responses   []Response
	minutes     []Minute
}

// collection is one list of records. Its roots are its snapshots, oldest first: the
// last is the present, the others are what replicas may still show.
type collection struct {
	name    string
	records []*record
	byID    map[string]*record
	history []*Version
	roots   []root
}

type root struct {
	at int64 // visible from this instant on, in microseconds
	*tree
}

// New returns a friendly API; Set makes it hostile.
func New(cfg Config) *API {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.FirstID == 0 {
		cfg.FirstID = 1
	}
	a := &API{
		cfg:         cfg,
		rng:         rand.New(rand.NewPCG(cfg.Seed, 0x7269766572)),
		collections: make(map[string]*collection),
		fired:       make(map[string]int),
	}
	for _, name := range cfg.Collections {
		a.collection(name)
	}
	return a
}

// Set changes what the API does from now on.
func (a *API) Set(h Hostility) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle() // what was old enough to be forgotten under the old lag is
	a.hostility = h
}

// Hostility returns what the API does now.
func (a *API) Hostility() Hostility {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hostility
}

// Fired counts how often each hostility happened, by name.
func (a *API) Fired() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.fired)
}

// Now returns the API's clock.
func (a *API) Now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return micro(a.now())
}

// now reads the clock, which never goes back even if its source does.
func (a *API) now() int64 {
	a.clock = max(a.clock, a.cfg.Now().UnixMicro())
	return a.clock
}

func micro(us int64) time.Time { return time.UnixMicro(us).UTC() }

// floor cuts an instant down to a whole tick.
func floor(us int64, tick time.Duration) int64 {
	t := tick.Microseconds()
	if t <= 1 {
		return us
	}
	return us - ((us%t)+t)%t
}

func (a *API) collection(name string) *collection {
	c := a.collections[name]
	if c == nil {
		c = &collection{name: name, byID: make(map[string]*record), roots: []root{{}}}
		a.collections[name] = c
	}
	return c
}

func (a *API) find(collection, id string) *record {
	if c := a.collections[collection]; c != nil {
		return c.byID[id]
	}
	return nil
}

// newRecord adds a record without versions to c.
func (a *API) newRecord(c *collection, now int64) *record {
	num := a.cfg.FirstID + int64(len(c.records))
	r := &record{num: num, id: strconv.FormatInt(num, 10), created: stampText(micro(now), 0)}
	r.idJSON = r.id
	if a.cfg.StringIDs {
		r.id = c.name + "-" + r.id
		r.idJSON = strconv.Quote(r.id)
	}
	c.records = append(c.records, r)
	c.byID[r.id] = r
	return r
}

// chance draws whether something of probability p happens.
func (a *API) chance(p float64) bool { return p > 0 && a.rng.Float64() < p }

// upTo draws a duration of at least a microsecond and at most d, in microseconds.
func (a *API) upTo(d time.Duration) int64 {
	us := d.Microseconds()
	if us < 1 {
		return 0
	}
	return 1 + a.rng.Int64N(us)
}
