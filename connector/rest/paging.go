package rest

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"

	"tributary/connector"
)

// A paging is how the pages within the same bounds are asked for.
type paging uint8

const (
	unpaged paging = iota
	byNumber
	byOffset
	byToken
	byURL  // the answer has the address of the next
	byLink // its Link header has
)

// pagings returns the ways that the config names, and of which it may name one. A text of
// the request can take the place of a parameter.
func (c *Config) pagings(n needs) (all []paging) {
	for _, way := range []struct {
		named bool
		paging
	}{
		{c.PageParam != "" || n.has(valuePage), byNumber},
		{c.OffsetParam != "" || n.has(valueOffset), byOffset},
		{c.TokenParam != "" || n.has(valueToken) || c.Token != "" || c.LastID, byToken},
		{c.NextURL != "", byURL},
		{c.Link != "", byLink},
	} {
		if way.named {
			all = append(all, way.paging)
		}
	}
	return all
}

// Paged says whether there can be more than one page within the same bounds.
func (c *Config) Paged() bool {
	if c.Parent != nil {
		return true // one for each parent
	}
	f, err := newForm(c)
	return err == nil && len(c.pagings(f.needs)) > 0
}

// Unfiltered says whether the API cannot be asked for a range: no request names the lower
// bound.
func (c *Config) Unfiltered() bool {
	f, err := newForm(c)
	return err == nil && !f.needs.has(valueFrom)
}

// maxToken is how long a token or a link can be: what is longer could not be sent.
const maxToken = 16 << 10

// A trail is the way through the pages of one reading within the same bounds: what led to
// the page that was answered last, and what leads to the next. It is in memory alone.
type trail struct {
	from, to connector.Instant
	page     int // that was answered last; 0: none
	at, next mark
	// led says to which page a token led: one that leads back is a loop.
	led  map[uint64]int
	seed maphash.Seed
}

// A mark is what a page is asked for with.
type mark struct {
	token string // or the address of the page
	rows  int    // records on the pages before it
	known bool
	err   error // why what leads to it cannot be used
}

// step returns what a query's page is asked for with. ok is false where that is not known
// any more.
func (t *trail) step(q connector.Query) (m mark, ok bool) {
	if q.Page <= 1 || len(q.IDs) > 0 {
		return mark{}, true
	}
	if t.from != q.From || t.to != q.To {
		return mark{}, false
	}
	switch q.Page {
	case t.page + 1:
		return t.next, t.next.known
	case t.page:
		return t.at, t.at.known // asked again
	}
	return mark{}, false
}

// answered notes the page that was answered, with the number of its records and what leads
// to the next. It is false where that leads to a page that was asked for before.
func (t *trail) answered(q connector.Query, asked mark, rows int, next mark) bool {
	if q.Page <= 1 {
		t.from, t.to, t.led = q.From, q.To, nil
	}
	asked.known = true
	t.page, t.at = q.Page, asked
	t.next = next
	t.next.rows, t.next.known = asked.rows+rows, true
	if next.token == "" {
		return true
	}
	if t.led == nil {
		t.led, t.seed = map[uint64]int{}, maphash.MakeSeed()
	}
	sum := maphash.String(t.seed, next.token)
	if page, before := t.led[sum]; before && page <= q.Page {
		return false
	}
	t.led[sum] = q.Page + 1
	return true
}

// lost makes the error of a page that nothing leads to any more.
func (s *Source) lost(q connector.Query) error {
	return &connector.AnewError{Err: fmt.Errorf("%s: nothing leads to page %d any more: the pages are read from the first again", s.name, q.Page)}
}

// tooFar says that the API shows no more records within the same bounds.
func (s *Source) tooFar(q connector.Query, m mark) error {
	rows := m.rows
	if s.paging == byNumber && !m.known {
		rows = (q.Page - 1) * s.cfg.Size
	}
	if s.cfg.MaxOffset == 0 || q.Page <= 1 || rows+max(s.cfg.Size, 1) <= s.cfg.MaxOffset {
		return nil
	}
	return s.noFurther()
}

// capped says whether an end may be none: where the API shows no more records than so many,
// a reading that ends there is not known to be whole. Some say that nothing follows.
func (s *Source) capped(m mark, page *connector.Page) bool {
	rows := m.rows + len(page.Records)
	counted := page.Total >= 0 && page.Total <= rows
	return s.cfg.MaxOffset > 0 && page.Last && rows >= s.cfg.MaxOffset && !counted
}

func (s *Source) noFurther() error {
	return &connector.StopError{
		What:   fmt.Sprintf("%s: more than %d records lie within the same bounds, and the API shows no more of them (page.max_offset)", s.name, s.cfg.MaxOffset),
		Remedy: "change some of the records with that stamp at their source, so that fewer share it, or read the collection where it has no such limit",
	}
}

// nextOf returns what leads to the page after this answer; empty: nothing. Whether it can
// be used matters only to who asks for that page.
func (s *Source) nextOf(a *answer, page *connector.Page) (string, error) {
	switch s.paging {
	case byToken:
		if s.cfg.LastID {
			return s.lastID(page)
		}
		return s.tokenAt(s.pages.token, s.cfg.Token)
	case byURL:
		text, err := s.tokenAt(s.pages.token, s.cfg.NextURL)
		if text == "" || err != nil {
			return text, err
		}
		return s.follow(a.url, text)
	case byLink:
		text, ok, broken := linkTo(a.header.Values("Link"), s.cfg.Link)
		if broken {
			return "?", &connector.RetryError{Reason: connector.RetryBody, Err: fmt.Errorf("%s: the Link header cannot be read, and may lead to a next page", s.name)}
		}
		if !ok {
			return "", nil
		}
		return s.follow(a.url, text)
	}
	return "", nil
}

// tokenAt returns the text that the answer has for its next page.
func (s *Source) tokenAt(k int, path string) (string, error) {
	value := s.pages.value(k)
	if !isSet(value) {
		return "", nil
	}
	text, bad := idText(nil, value)
	if bad != "" || len(text) > maxToken {
		return "?", &connector.StopError{
			What:   fmt.Sprintf("%s: what leads to the next page, at %s, is no text or number, or longer than %d bytes", s.name, path, maxToken),
			Remedy: "correct the path under page",
		}
	}
	return string(text), nil
}

// lastID returns the id of the last record of a page.
func (s *Source) lastID(page *connector.Page) (string, error) {
	if len(page.Records) == 0 {
		return "", nil
	}
	last := &page.Records[len(page.Records)-1]
	if last.ID == "" {
		return "?", &connector.StopError{
			What:   s.name + ": the last record of a page has no id, and the next page is asked for by it",
			Remedy: "mend the record at its source",
		}
	}
	return last.ID, nil
}

// follow returns the address of a link in an answer, if it may be followed: it stays on the
// scheme, host and port of the source.
func (s *Source) follow(from *url.URL, link string) (string, error) {
	to, err := nextAddress(from, link)
	if err == nil && !sameOrigin(to, s.cfg.Base) {
		err = fmt.Errorf("it leads to %s://%s", to.Scheme, to.Host)
	}
	if err != nil {
		return link, &connector.StopError{
			What:   fmt.Sprintf("%s: the link to the next page is not followed: %s", s.name, s.scrub.excerpt(err.Error(), false, maxExcerpt)),
			Remedy: "a request stays on the url's scheme, host and port: set url to the address that the API gives its links, or page by number or token",
		}
	}
	return to.String(), nil
}

// nextAddress resolves a link against the address it came from.
func nextAddress(from *url.URL, link string) (*url.URL, error) {
	if hasControl(link) || len(link) > maxToken {
		return nil, fmt.Errorf("it has control characters or more than %d bytes", maxToken)
	}
	to, err := from.Parse(link)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is no address")
	case to.User != nil:
		return nil, fmt.Errorf("it holds a credential")
	case to.Opaque != "" || to.Host == "":
		return nil, fmt.Errorf("it names no host")
	}
	to.Fragment, to.RawFragment = "", ""
	return to, nil
}

// goOn works out what follows an answer, and keeps it for the query that will ask.
func (s *Source) goOn(q connector.Query, m mark, a *answer, page *connector.Page) error {
	if s.paging == unpaged || s.paging == byNumber && s.cfg.MaxOffset == 0 {
		return nil
	}
	next, err := s.nextOf(a, page)
	if s.paging >= byToken {
		page.Last = page.Last || s.cfg.Next == "" && s.cfg.End == "" && !s.cfg.LastID && next == ""
		if next == "" && !page.Last && len(page.Records) > 0 {
			return &connector.RetryError{Reason: connector.RetryBody, Err: fmt.Errorf("%s: the API says that more follows, and not what leads to it", s.name)}
		}
	}
	if s.capped(m, page) {
		return s.noFurther()
	}
	if page.Last {
		next, err = "", nil
	}
	if again := (*connector.RetryError)(nil); errors.As(err, &again) {
		return again
	}
	if !s.trail.answered(q, m, len(page.Records), mark{token: next, err: err}) {
		return &connector.StopError{
			What:   fmt.Sprintf("%s: page %d leads back to a page that was read already: the API does not page by what it is asked with, or goes round in a circle", s.name, q.Page),
			Remedy: "check page against the API's documentation",
		}
	}
	return nil
}

// ends says whether an answer to a probe is the last: nothing leads on from it.
func (s *Source) ends(a *answer, page *connector.Page) bool {
	if s.paging < byToken || s.cfg.Next != "" || s.cfg.End != "" || s.cfg.LastID {
		return page.Last
	}
	next, _ := s.nextOf(a, page)
	return page.Last || next == ""
}

// anew says whether a page's status can mean that what led to it has expired.
func (s *Source) anew(q connector.Query, status int) bool {
	if q.Page <= 1 || s.paging < byToken {
		return false
	}
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
