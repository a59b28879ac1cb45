// Package chronicle keeps the exact history of a collection of a server that is not ours,
// so that package oracle can judge what a connector made of it. All that is written to the
// server goes through a [Writer], which notes every version in the order in which the server
// took it; and a reader asks a [Witness], which stands before the server and notes to the
// byte what was shown.
//
//	c := chronicle.New("people")
//	w := c.Writer(store, seed)     // store writes to the server, several records at once
//	url, err := c.Witness(upstream, rows)
//	go w.Run(ctx, 50)
//	… a connector reads url; then, with the writer at rest …
//	problems := c.Problems()       // of the test itself: what was shown is not what was written
//	oracle.New(oracle.Config{API: c, …})
//
// A version may be shown before its writer knows that it was taken, so judge at rest.
package chronicle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tributary/test/hostile"
)

// Chronicle is the history of one collection. It is safe for concurrent use.
type Chronicle struct {
	collection string

	mu      sync.Mutex
	records map[string][]hostile.Version
	shown   map[edition]*showing
	fired   map[string]int
	odd     []string // what cannot be, whatever the connector does
}

// edition names one version of one record.
type edition struct {
	id  string
	ver int64
}

// showing is what readers were shown of a version.
type showing struct {
	body  []byte
	times int
}

// New returns the empty history of a collection.
func New(collection string) *Chronicle {
	return &Chronicle{
		collection: collection, records: map[string][]hostile.Version{},
		shown: map[edition]*showing{}, fired: map[string]int{},
	}
}

// Excluded returns the fields that a touch changes, to be excluded from a hash, beside the
// one that holds the stamp.
func Excluded() []string { return []string{"ver", "touched"} }

// Note is the text that a record's field "note" holds for a content.
func Note(content int64) string { return fmt.Sprintf("content %d", content) }

// add notes a version that the server took.
func (c *Chronicle) add(w Write, stamp time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := w.Op == hostile.Remove
	c.records[w.ID] = append(c.records[w.ID], hostile.Version{
		Collection: c.collection, ID: w.ID, Ver: w.Ver, Op: w.Op, Content: w.Content,
		Stamp: stamp, Deleted: gone, Gone: gone,
	})
	c.fired[map[bool]string{true: "hard_delete", false: string(w.Op)}[gone]]++
}

func (c *Chronicle) count(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fired[what] += n
}

// show notes that a whole answer showed a record.
func (c *Chronicle) show(body []byte) {
	var r struct {
		ID  json.RawMessage `json:"id"`
		Ver int64           `json:"ver"`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := json.Unmarshal(body, &r); err != nil || len(r.ID) == 0 || r.Ver == 0 {
		c.odd = append(c.odd, fmt.Sprintf("%.200q is no record: %v", body, err))
		return
	}
	e := edition{string(bytes.Trim(r.ID, `"`)), r.Ver}
	s := c.shown[e]
	if s == nil {
		s = &showing{body: bytes.Clone(body)}
		c.shown[e] = s
	}
	if !bytes.Equal(s.body, body) {
		c.odd = append(c.odd, fmt.Sprintf("version %d of %s is %s and %s", e.ver, e.id, s.body, body))
	}
	s.times++
}

// Problems tells what of the test cannot be: a version that was shown and never written,
// or not as it was written.
func (c *Chronicle) Problems() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	problems := slices.Clone(c.odd)
	for e, s := range c.shown {
		v, ok := c.version(e)
		var r struct{ Note string }
		if err := json.Unmarshal(s.body, &r); !ok || err != nil || r.Note != Note(v.Content) {
			problems = append(problems, fmt.Sprintf("version %d of %s was written with content %d and shown as %s", e.ver, e.id, v.Content, s.body))
		}
	}
	return problems
}

// version returns a version with what was shown of it. c.mu is held.
func (c *Chronicle) version(e edition) (hostile.Version, bool) {
	vs := c.records[e.id]
	if e.ver < 1 || e.ver > int64(len(vs)) {
		return hostile.Version{}, false
	}
	v := vs[e.ver-1]
	if s := c.shown[e]; s != nil {
		v.Body, v.Served = s.body, s.times
	}
	return v, true
}

// Lookup returns one version of a record.
func (c *Chronicle) Lookup(collection, id string, ver int64) (hostile.Version, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if collection != c.collection {
		return hostile.Version{}, false
	}
	return c.version(edition{id, ver})
}

// Versions returns every version of a record in the order in which the server took them.
func (c *Chronicle) Versions(collection, id string) []hostile.Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	if collection != c.collection {
		return nil
	}
	var vs []hostile.Version
	for i := range c.records[id] {
		v, _ := c.version(edition{id, int64(i) + 1})
		vs = append(vs, v)
	}
	return vs
}

// Truth returns what the server holds.
func (c *Chronicle) Truth(collection string) map[string]hostile.Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	truth := map[string]hostile.Version{}
	if collection != c.collection {
		return truth
	}
	for id, vs := range c.records {
		if last := int64(len(vs)); !vs[last-1].Gone {
			truth[id], _ = c.version(edition{id, last})
		}
	}
	return truth
}

// Fired counts what was written and what the witness did, by name.
func (c *Chronicle) Fired() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.fired)
}
