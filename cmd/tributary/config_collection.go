package main

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"tributary/connector"
	"tributary/connector/rest"
)

// Defaults of what a source asks for and takes.
const (
	defaultTimeout       = 60 * time.Second
	defaultMaxBody       = 64 << 20
	defaultMaxCompressed = 32 << 20
	defaultMaxDepth      = 64
	defaultFormat        = "rfc3339_us"
	defaultID            = "id"
)

// A collectionDecoder decodes the tree that came of laying preset, source and
// collection over each other.
type collectionDecoder struct {
	*decoder
	settings connector.Settings
	rest     rest.Config
	letters  string

	exclusive bool          // the API's lower bound is exclusive
	precision time.Duration // of stamps, where it was said
	feedRest  *rest.Config  // of the list of deletions, nil without one
	scheduled bool          // an interval was said

	uncursored bool // nothing says by what its records are ordered
}

// newCollectionDecoder begins with the defaults. Without an account it decodes what a
// source says, and what comes of it is not used.
func newCollectionDecoder(d *decoder, a *account) *collectionDecoder {
	c := &collectionDecoder{decoder: d}
	c.settings = connector.Settings{
		Interval: connector.DefaultInterval, Jitter: connector.DefaultJitter,
		Triggers: connector.Triggers{OnRestart: true, AfterWrite: true},
		Overlap:  connector.DefaultOverlap, Lookback: connector.DefaultLookback,
		Start: connector.Start{At: connector.Beginning}, OnBadRecord: connector.StopOnBadRecord,
	}
	c.rest = rest.Config{
		Timeout: defaultTimeout, MaxBody: defaultMaxBody, MaxCompressed: defaultMaxCompressed,
		MaxDepth: defaultMaxDepth, Format: defaultFormat, ID: defaultID,
	}
	if a != nil {
		c.settings.Source, c.rest.Auth = a.name, a.auth
		if a.base != nil {
			base := *a.base
			c.rest.Base = &base
		}
	}
	return c
}

// collection decodes everything, and then checks what only the whole can show.
func (c *collectionDecoder) collection(n *node, a account, name string) {
	before := c.faults
	c.settings.Collection, c.rest.Path = name, name
	known := c.keys()
	known["name"] = func(*node) {}
	c.object(n.without(sourceOnly...), known)
	if p := c.rest.Probe; p != nil && p.Get == "" && n.get("probe").get("records") == nil {
		p.Records = c.rest.Records
	}
	if at := n.get("cursor"); at != nil {
		c.require(at, "field")
	} else {
		c.uncursored = !c.mistyped(n, "cursor")
	}
	if len(c.settings.Triggers.Cron) > 0 && !c.scheduled {
		c.settings.Interval = 0
	}
	c.tick(n)
	if c.settings.Lookback < c.settings.Overlap {
		c.fail(n.at("lookback"), "is %v and the overlap %v: what is read again later must reach as far back as what is read again at once", c.settings.Lookback, c.settings.Overlap)
	}
	c.settings.Paged = !a.broken && c.rest.Base != nil && c.rest.Paged()
	c.settings.Unordered = c.rest.Unordered
	c.settings.Unfiltered = c.rest.Unordered && c.rest.Base != nil && c.rest.Unfiltered()
	c.settings.Probe = c.rest.ProbeMax
	c.settings.ProbeAlone = c.rest.Probe != nil && c.rest.Probe.Get != ""
	c.settings.Fingerprint = c.rest.Fingerprint()
	c.sweeps(n)
	c.feed(n, a)
	if c.faults == before && !a.broken && n.get("cursor") != nil {
		c.validate(n)
	}
}

// validate asks the source itself what is wrong. Its errors begin with the key that
// they are about, which says where to point.
func (c *collectionDecoder) validate(n *node) {
	err := c.rest.Validate()
	if err == nil {
		return
	}
	all := []error{err}
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		all = joined.Unwrap()
	}
	for _, e := range all {
		at := n
		key, _, _ := strings.Cut(e.Error(), " ")
		switch key = strings.TrimRight(key, ":,"); key {
		case "header":
			key = "request.headers"
		case "timeout", "max_body", "max_compressed", "max_depth":
			key = "request." + key
		}
		owner := n.path
		for part := range strings.SplitSeq(key, ".") {
			if below := at.at(part); below != at && at == n {
				// What the source says is said once, and not for each of its collections.
				at, owner = below, strings.TrimSuffix(below.path, "."+part)
			} else {
				at = below
			}
		}
		c.failAt(at.pos, "%s: %v", owner, e)
	}
}

// keys are those of a source and of a collection alike.
func (c *collectionDecoder) keys() keys {
	s, r := &c.settings, &c.rest
	return keys{
		"interval":      c.interval,
		"triggers":      func(n *node) { c.decoder.triggers(n, &s.Triggers) },
		"jitter":        func(n *node) { s.Jitter = c.ratio(n) },
		"overlap":       func(n *node) { s.Overlap = c.duration(n, 0) },
		"lookback":      func(n *node) { s.Lookback = c.duration(n, 0) },
		"settle":        func(n *node) { s.Settle = c.duration(n, 0) },
		"start":         func(n *node) { s.Start = c.start(n) },
		"on_bad_record": func(n *node) { s.OnBadRecord = connector.OnBadRecord(c.oneOf(n, "stop", "skip", "dlq")) },
		"dlq":           func(n *node) { c.letters = c.dlq(n) },
		"hash":          c.hash,
		"value":         c.value,
		"deletions":     c.deletions,
		"request":       c.request,
		"cursor":        c.cursor,
		"order":         c.order,
		"parent":        c.parent,
		"page":          c.page,
		"records":       func(n *node) { r.Records = c.text(n) },
		"id":            c.id,
		"unwrap":        func(n *node) { r.Unwrap = c.path(n) },
		"path":          func(n *node) { r.Path = c.place(n) },
		"probe":         c.probe,
		"errors":        c.errors,
		"echo":          c.echo,
	}
}

func (c *collectionDecoder) start(n *node) connector.Start {
	const want = `beginning, now, or an instant such as 2026-01-31T00:00:00Z`
	s, ok := c.scalar(n, want)
	switch at, err := time.Parse(time.RFC3339Nano, s); {
	case !ok, s == "beginning":
	case s == "now":
		return connector.Start{Now: true, At: connector.Beginning}
	case err != nil:
		c.fail(n, "wants %s; found %s", want, shown(n))
	case at.After(time.Now().Add(24 * time.Hour)):
		c.fail(n, "is in the future: nothing would be published before it; found %s", shown(n))
	default:
		return connector.Start{At: connector.InstantOf(at)}
	}
	return connector.Start{At: connector.Beginning}
}

// hash decodes the fields that are cared about. They are sorted: their order has no
// meaning, and another order must not look like another hash.
func (c *collectionDecoder) hash(n *node) {
	c.object(n, keys{
		"include": func(n *node) { c.rest.Include = c.paths(n) },
		"exclude": func(n *node) { c.rest.Exclude = c.paths(n) },
	})
	include, exclude := n.get("include"), n.get("exclude")
	switch {
	case include != nil && exclude != nil:
		c.fail(n, `wants "include" or "exclude", not both: what is not included is excluded`)
	case include != nil && include.kind == listNode && len(include.items) == 0:
		c.fail(include, "names no field: no change would ever be published")
	}
}

func (c *collectionDecoder) paths(n *node) []string {
	all := c.texts(n)
	slices.Sort(all)
	return slices.Compact(all)
}

// value decodes what of a record is not published.
func (c *collectionDecoder) value(n *node) {
	c.object(n, keys{
		"drop": func(n *node) { c.rest.Drop = c.paths(n) },
		"mask": func(n *node) { c.rest.Mask = c.paths(n) },
	})
}

// place decodes where a collection is, in which {collection} stands for the collection's name: a preset
// says once where all of them are.
func (c *collectionDecoder) place(n *node) string {
	return strings.ReplaceAll(c.text(n), "{collection}", url.PathEscape(c.settings.Collection))
}
