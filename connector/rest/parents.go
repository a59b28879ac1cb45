package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// ParentPart is what stands in the place of a path among the parts of an id for the id of
// a record's parent, which is in no record.
const ParentPart = ".parent"

// Parent is a list of records below each of which a part of the collection lies.
type Parent struct {
	// List is how the parents are listed: its Path, Records, ID, Instant (which may be
	// empty), its request and its pages. What it shares with the collection (Base, Auth,
	// limits) is the collection's.
	List Config
	// Skip are the statuses with which the API says that a parent has nothing below it.
	Skip []int
}

// Beside returns the whole config of another list of the same API: what it shares with
// the collection is the collection's.
func (c *Config) Beside(list Config) Config {
	list.Base, list.Auth, list.Secrets, list.Errors = c.Base, c.Auth, c.Secrets, c.Errors
	list.Timeout, list.MaxBody, list.MaxCompressed, list.MaxDepth = c.Timeout, c.MaxBody, c.MaxCompressed, c.MaxDepth
	if list.Format == "" {
		list.Format, list.Zone = c.Format, c.Zone
	}
	return list
}

// config returns the whole config of the list of parents.
func (p *Parent) config(c *Config) Config {
	l := c.Beside(p.List)
	l.Unordered, l.Undated = true, true
	return l
}

// A parent is one of the list, with what its children's requests name of it.
type parent struct {
	id      string
	instant connector.Instant // Beginning: it has none
	value   []byte            // nil where no request names a field of it
}

// field returns the text of a field, empty if it has none.
func (p *parent) field(path []string) string {
	if len(p.value) == 0 {
		return ""
	}
	text, bad := idText(nil, canon.Lookup(p.value, path))
	if bad != "" {
		return ""
	}
	return string(text)
}

// A place is where a walk over parents and their pages stands.
type place struct {
	parents []parent
	page    int  // of the list, from which they are
	last    bool // no parents follow
	at      int  // which of them
	child   int  // the page of its children that is next, from 1
}

// A family reads a collection below its parents, as one walk.
type family struct {
	list *Source
	keep bool // the parents' values: requests name fields of them
	skip []int

	from, to connector.Instant
	answered int   // the page that was answered last
	of, next place // where it was, and where the next one is
}

func newFamily(c *Config, main *form, client *Client, m *connector.SourceMetrics) (*family, error) {
	if c.Parent == nil {
		return nil, nil
	}
	list, err := New(c.Parent.config(c), client, m)
	if err != nil {
		return nil, err
	}
	return &family{list: list, keep: main.needs.has(valueParentField), skip: c.Parent.Skip}, nil
}

// fetchBelow asks for one page of the walk: page 1 begins with the first parent, and those
// without records are passed over.
func (s *Source) fetchBelow(ctx context.Context, q connector.Query) (connector.Page, error) {
	f := s.family
	at, ok := f.step(q)
	if !ok {
		return connector.Page{}, s.lost(q)
	}
	date := connector.Forever
	for {
		if at.at == len(at.parents) && !at.last {
			asked, err := f.list.parents(ctx, &at, f.keep)
			if err != nil {
				return connector.Page{}, f.kept(q, at, err)
			}
			date = min(date, asked)
			continue
		}
		if at.at == len(at.parents) && date == connector.Forever {
			return connector.Page{}, s.lost(q) // behind the last
		}
		if at.at == len(at.parents) {
			f.done(q, at, at)
			return connector.Page{Date: date, Last: true, Total: -1}, nil
		}
		page, next, err := s.children(ctx, q, at)
		if err != nil {
			return connector.Page{}, f.kept(q, at, err)
		}
		date = min(date, page.Date)
		page.Date, page.Total = date, -1
		page.Last = next.at == len(next.parents) && next.last
		if len(page.Records) > 0 || page.Last {
			f.done(q, at, next)
			return page, nil
		}
		at = next
	}
}

// step returns where a page of the walk is.
func (f *family) step(q connector.Query) (place, bool) {
	switch {
	case q.Page <= 1:
		return place{child: 1}, true
	case f.from != q.From || f.to != q.To:
		return place{}, false
	case q.Page == f.answered+1:
		return f.next, true
	case q.Page == f.answered:
		return f.of, true
	}
	return place{}, false
}

// done notes the page that was answered.
func (f *family) done(q connector.Query, of, next place) {
	f.from, f.to, f.answered, f.of, f.next = q.From, q.To, q.Page, of, next
}

// kept notes how far a page came before it failed, so that parents without records are not
// asked again with each attempt.
func (f *family) kept(q connector.Query, at place, err error) error {
	if q.Page > 1 && q.Page == f.answered+1 {
		f.next = at
	}
	return err
}

// parents goes on to the next page of the list, and returns its Date.
func (s *Source) parents(ctx context.Context, at *place, keep bool) (connector.Instant, error) {
	q := connector.Query{From: connector.Beginning, To: connector.Forever, Page: at.page + 1}
	p, err := s.Fetch(ctx, q)
	if err != nil {
		return 0, err
	}
	next := place{page: q.Page, last: p.Last || len(p.Records) == 0 || s.paging == unpaged, child: 1}
	for i := range p.Records {
		one, err := s.parent(&p.Records[i], keep)
		if err != nil {
			return 0, err
		}
		next.parents = append(next.parents, one)
	}
	*at = next
	return p.Date, nil
}

// parent takes from a record what requests for its children need.
func (s *Source) parent(r *connector.Record, keep bool) (parent, error) {
	p := parent{id: r.ID, instant: connector.Beginning}
	if r.ID == "" {
		return p, &connector.StopError{What: s.name + ": a parent cannot be used: " + r.Bad, Remedy: "correct parent.id, or mend the record at its source"}
	}
	if s.cfg.Instant != "" && r.Bad == "" {
		p.instant = r.Instant
	}
	if keep {
		p.value = bytes.Clone(r.Value) // the page's body is not kept
	}
	return p, nil
}

// children asks for a page below one parent, and returns where the walk goes on.
func (s *Source) children(ctx context.Context, q connector.Query, at place) (connector.Page, place, error) {
	p := &at.parents[at.at]
	older := q.From != connector.Beginning && p.instant != connector.Beginning && p.instant >= q.From
	if older {
		// What is new or changed may bring along what is older than it.
		q.From = connector.Beginning
	}
	q.Page, q.Count = at.child, false
	s.below = p
	page, err := s.fetchPage(ctx, q)
	next := at
	switch gone := (*absentError)(nil); {
	case errors.As(err, &gone) && slices.Contains(s.family.skip, gone.status):
		page, err = connector.Page{Date: gone.date, Last: true}, nil
	case errors.As(err, &gone) && isGone(gone.status):
		return page, next, &connector.AnewError{Err: fmt.Errorf("below the parent %s: %w; if it is gone, the next list of parents does not have it (parent.skip says that such an answer is normal)", shown([]byte(p.id)), gone.err)}
	case errors.As(err, &gone):
		return page, next, gone.err
	case err != nil:
		return page, next, err
	}
	page.Older = older
	next.child++
	if page.Last || len(page.Records) == 0 || s.paging == unpaged {
		next.at, next.child = at.at+1, 1
	}
	return page, next, nil
}

// absentError is an answer that may say that a parent has nothing below it.
type absentError struct {
	status int
	date   connector.Instant
	err    error
}

// absent marks an answer as one that may say so: not one that asks for patience.
func absent(a answer, err error) error {
	var again *connector.RetryError
	if errors.As(err, &again) && again.Reason == connector.RetryRefused {
		return &absentError{a.status, connector.InstantOf(a.date), err}
	}
	return err
}

func (e *absentError) Error() string { return e.err.Error() }
func (e *absentError) Unwrap() error { return e.err }

// splitID returns the parts of a composed id.
func splitID(id string) []string {
	parts := strings.Split(id, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts
}

// validateParent checks the list of parents, and that requests name its records.
func (c *Config) validateParent(bad func(bool, string, ...any), n needs) {
	isPart := c.ID == ParentPart || slices.Contains(c.IDMore, ParentPart)
	if c.Parent == nil {
		bad(n.has(valueParent), "request names {parent}, and there is no parent")
		bad(isPart, "id has a part %s, and there is no parent", ParentPart)
		return
	}
	bad(c.ID == ParentPart && len(c.IDMore) == 0, "id is that of the parent alone: its records would all have one key")
	bad(!n.has(valueParent), "path does not name {parent}: every parent would be asked for the same")
	bad(!c.Unordered, "order: a collection under parents is read parent by parent, and has no order as a whole: set order: none")
	l := c.Parent.config(c)
	if err := l.Validate(); err != nil {
		var errs []error
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			errs = joined.Unwrap()
		}
		for _, e := range errs {
			bad(true, "parent.%w", e)
		}
	}
	for _, status := range c.Parent.Skip {
		bad(status < 400 || status > 499, "parent.skip has %d: it is a status from 400 to 499", status)
	}
}
