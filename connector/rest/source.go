package rest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tributary/connector"
)

// Source reads one collection of one API. It is for one goroutine at a time.
type Source struct {
	cfg    Config
	client *Client
	name   string // for errors: host and path
	form   *form
	words  wording
	paging paging
	trail  trail
	prober prober
	rules  []rule
	family *family // nil: the collection has no parents
	below  *parent // whose children are asked for
	http   *http.Client
	m      *connector.SourceMetrics
	scrub  scrubber
	stamps stamps
	body   bodyReader
	pages  *pageDecoder
	echo   contract
}

var _ connector.Source = (*Source)(nil)

// New returns a Source that asks as cfg says, through client. It takes a copy of
// cfg, whose maps must not change any more. A config that cannot work is refused
// here, where the error can say why.
func New(cfg Config, client *Client, m *connector.SourceMetrics) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if client == nil || m == nil {
		return nil, errors.New("rest: a source needs a client and metrics")
	}
	if cfg.Auth != nil && cfg.Auth.OAuth != nil && cfg.Auth.Tokens == nil {
		return nil, errors.New("rest: nothing gets tokens for auth.oauth2")
	}
	client.budget.meter(m)
	scrub := newScrubber(&cfg)
	s := &Source{
		cfg: cfg, m: m, client: client, http: client.of(cfg.Base, cfg.Auth, scrub), words: ofAnAPI,
		scrub: scrub, stamps: cfg.stamps(),
		body: bodyReader{maxBody: cfg.MaxBody, maxReceived: cfg.MaxCompressed, words: ofAnAPI},
	}
	var err error
	if s.form, err = newForm(&s.cfg); err != nil {
		return nil, err
	}
	if ways := cfg.pagings(s.form.needs); len(ways) > 0 {
		s.paging = ways[0]
	}
	s.name = s.scrub.text(cfg.Base.Host + " " + cfg.Path)
	s.pages = newPageDecoder(&s.cfg, s.stamps)
	s.rules = newRules(cfg.Errors)
	if s.prober, err = newProber(&s.cfg, s.form, s.pages); err != nil {
		return nil, err
	}
	if s.family, err = newFamily(&s.cfg, s.form, client, m); err != nil {
		return nil, err
	}
	s.echo = contract{cfg: &s.cfg, stamps: s.stamps}
	return s, nil
}

// Fetch asks for one page, once, or for records by their ids. See connector.Source for
// what it returns.
func (s *Source) Fetch(ctx context.Context, q connector.Query) (connector.Page, error) {
	if len(q.IDs) > 0 {
		return s.probe(ctx, q)
	}
	if s.family != nil {
		return s.fetchBelow(ctx, q)
	}
	return s.fetchPage(ctx, q)
}

// fetchPage asks for one page of one list. A page without records that leads on is no end:
// some APIs leave out of a page what its reader may not see, or what a filter drops.
func (s *Source) fetchPage(ctx context.Context, q connector.Query) (connector.Page, error) {
	m, ok := s.trail.step(q)
	if !ok && s.paging >= byOffset {
		return connector.Page{}, s.lost(q)
	}
	date := connector.Forever
	for empty := 0; ; empty++ {
		page, err := s.fetchOne(ctx, q, m)
		if err != nil {
			return connector.Page{}, err
		}
		date = min(date, page.Date)
		page.Date = date
		next := s.trail.next
		if len(page.Records) > 0 || page.Last || s.paging < byToken || next.token == "" || next.token == m.token {
			return page, nil // to ask for the same again would show the same
		}
		if empty == maxEmpty {
			return connector.Page{}, s.endless(empty + 1)
		}
		m = next
	}
}

// fetchOne sends one request for a page.
func (s *Source) fetchOne(ctx context.Context, q connector.Query, m mark) (connector.Page, error) {
	if m.err != nil {
		return connector.Page{}, m.err
	}
	if err := s.tooFar(q, m); err != nil {
		return connector.Page{}, err
	}
	a, err := s.ask(ctx, q, call{request: func(ctx context.Context) (*http.Request, error) { return s.request(ctx, q, m) }})
	if err != nil {
		return connector.Page{}, err
	}
	defer s.pages.release()
	if s.below != nil {
		s.pages.parent = s.below.id
	}
	page, err := s.pages.decode(a.body)
	if err != nil {
		return connector.Page{}, s.refuse(err)
	}
	page.Date = connector.InstantOf(a.date)
	page.Last = page.Last || s.shownWhole(q, page)
	if err := s.checked(q, s.pages, page.Records); err != nil {
		return connector.Page{}, err
	}
	if err := s.cutOff(&page); err != nil {
		return connector.Page{}, err
	}
	return page, s.goOn(q, m, &a, &page)
}

// checked holds an answer against what was asked.
func (s *Source) checked(q connector.Query, d *pageDecoder, records []connector.Record) error {
	if err := s.echo.check(q, d, records); err != nil {
		err.What = s.name + ": " + s.scrub.text(err.What)
		return err
	}
	return nil
}

// A call is one request, written anew each time it is sent.
type call struct {
	request func(context.Context) (*http.Request, error)
	takes   func(status int) bool // whose answers are read; nil: 200
	kind    requestKind           // for its price
	undated bool                  // no rule needs the server's clock
}

// ask sends a request when the budget allows it, and returns its answer.
func (s *Source) ask(ctx context.Context, q connector.Query, c call) (answer, error) {
	turn, err := s.client.budget.wait(ctx, q, c.kind)
	if err != nil {
		return answer{}, err
	}
	begin := time.Now() // for a metric; nothing is decided by it
	a, err := s.exchange(ctx, q, c)
	turn.done(a.header, a.date, err)
	s.m.RequestDuration.Observe(time.Since(begin).Seconds())
	s.m.Requests.WithLabelValues(strconv.Itoa(a.status)).Inc()
	return a, err
}

// answer is what came back, as far as it came: status 0 is nothing at all.
type answer struct {
	status int
	header http.Header
	date   time.Time
	body   []byte
	url    *url.URL // that was answered, after redirects
	moved  bool     // it is another one than was asked
}

// exchange sends the request and receives the body of a page, within the deadline.
func (s *Source) exchange(ctx context.Context, q connector.Query, c call) (a answer, err error) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := c.request(limited)
	if errors.As(err, new(*unfit)) {
		return a, s.stopped(err)
	}
	if err != nil {
		return a, errors.New(s.name + ": the request cannot be written: " + s.scrub.text(unwrapURL(err).Error()))
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return a, s.unanswered(ctx, limited, err)
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.date, _ = http.ParseTime(resp.Header.Get("Date"))
	a.url, a.moved = resp.Request.URL, resp.Request.URL.Path != req.URL.Path
	if takes := c.takes; a.status != http.StatusOK && (takes == nil || !takes(a.status)) {
		err := s.failed(ctx, resp, a.date)
		switch {
		case ctx.Err() != nil:
		case s.anew(q, a.status):
			err = &connector.AnewError{Err: err}
		case s.below != nil && q.Page == 1 && !a.date.IsZero():
			err = absent(a, err)
		}
		return a, err
	}
	if isGone(a.status) {
		_, a.body = s.said(resp) // for errors that have that status too
	} else {
		a.body, err = s.body.read(resp)
	}
	switch refused := (*refusal)(nil); {
	case errors.As(err, &refused):
		return a, s.refuse(err)
	case err != nil:
		return a, s.unanswered(ctx, limited, err)
	case a.date.IsZero() && !c.undated:
		return a, s.refuse(&refusal{"no_date", "it has no Date header that can be read, and every rule about time needs the server's clock: a proxy in between may strip it"})
	}
	return a, s.judge(a.status, a.header, a.date, a.body)
}

// shownWhole says whether a first page shows as many records as the API says there are,
// where it has no other word for the end.
func (s *Source) shownWhole(q connector.Query, p connector.Page) bool {
	// What leads to a next page is such a word, and a total may be that of the page.
	own := s.cfg.Next != "" || s.cfg.End != "" || s.paging >= byToken && !s.cfg.LastID
	return !own && q.Page == 1 && p.Total >= 0 && p.Total == len(p.Records)
}
