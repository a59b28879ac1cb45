package rest

import (
	"context"
	"errors"
	"fmt"
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
	paging paging
	trail  trail
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
		cfg: cfg, m: m, client: client, http: client.of(cfg.Base, cfg.Auth, scrub),
		scrub: scrub, stamps: cfg.stamps(),
		body: bodyReader{maxBody: cfg.MaxBody, maxReceived: cfg.MaxCompressed},
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
	s.echo = contract{cfg: &s.cfg, stamps: s.stamps}
	return s, nil
}

// Fetch asks for one page, once. See connector.Source for what it returns.
func (s *Source) Fetch(ctx context.Context, q connector.Query) (connector.Page, error) {
	if len(q.IDs) > 0 && s.cfg.ProbeMax == 0 {
		return connector.Page{}, errors.New(s.name + ": the collection has no probes")
	}
	if len(q.IDs) > max(1, s.cfg.ProbeMax) {
		return connector.Page{}, fmt.Errorf("%s: a probe asks for %d ids, at most %d fit", s.name, len(q.IDs), s.cfg.ProbeMax)
	}
	m, ok := s.trail.step(q)
	switch {
	case !ok && s.paging >= byOffset:
		return connector.Page{}, s.lost(q)
	case m.err != nil:
		return connector.Page{}, m.err
	}
	if err := s.tooFar(q, m); err != nil {
		return connector.Page{}, err
	}
	turn, err := s.client.budget.wait(ctx, q)
	if err != nil {
		return connector.Page{}, err
	}
	begin := time.Now() // for a metric; nothing is decided by it
	a, err := s.exchange(ctx, q, m)
	turn.done(a.header, a.date, err)
	s.m.RequestDuration.Observe(time.Since(begin).Seconds())
	s.m.Requests.WithLabelValues(strconv.Itoa(a.status)).Inc()
	if err != nil {
		return connector.Page{}, err
	}
	defer s.pages.release()
	page, err := s.pages.decode(a.body)
	if err != nil {
		return connector.Page{}, s.refuse(err)
	}
	page.Date = connector.InstantOf(a.date)
	page.Last = page.Last || s.shownWhole(q, page)
	if err := s.echo.check(q, s.pages, page.Records); err != nil {
		err.What = s.name + ": " + s.scrub.text(err.What)
		return connector.Page{}, err
	}
	return page, s.goOn(q, m, &a, &page)
}

// answer is what came back, as far as it came: status 0 is nothing at all.
type answer struct {
	status int
	header http.Header
	date   time.Time
	body   []byte
	url    *url.URL // that was answered, after redirects
}

// exchange sends the request and receives the body of a page, within the deadline.
func (s *Source) exchange(ctx context.Context, q connector.Query, m mark) (a answer, err error) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := s.request(limited, q, m)
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
	a.url = resp.Request.URL
	if a.status != http.StatusOK {
		err := s.failed(ctx, resp, a.date)
		if ctx.Err() == nil && s.anew(q, a.status) {
			err = &connector.AnewError{Err: err}
		}
		return a, err
	}
	a.body, err = s.body.read(resp)
	switch refused := (*refusal)(nil); {
	case errors.As(err, &refused):
		return a, s.refuse(err)
	case err != nil:
		return a, s.unanswered(ctx, limited, err)
	case a.date.IsZero():
		return a, s.refuse(&refusal{"no_date", "it has no Date header that can be read, and every rule about time needs the server's clock: a proxy in between may strip it"})
	}
	return a, nil
}

// shownWhole says whether a first page shows as many records as the API says there are,
// where it has no other word for the end.
func (s *Source) shownWhole(q connector.Query, p connector.Page) bool {
	return s.cfg.Next == "" && s.cfg.End == "" && q.Page == 1 && p.Total >= 0 && p.Total == len(p.Records)
}
