package main

import (
	"time"

	"tributary/connector"
)

// deletions decodes how one learns that a record is gone: the ways may stand together.
func (c *collectionDecoder) deletions(n *node) {
	if n.isScalar() {
		if s, ok := c.scalar(n, "none, or a map such as {field: NAME}"); ok && s != "none" {
			c.fail(n, "wants none, or a map such as {field: NAME}; found %s", shown(n))
		}
		c.rest.Deleted, c.rest.DeletedEquals, c.settings.Sweeps = "", "", connector.Sweeps{}
		return
	}
	c.object(n, keys{
		"field":  func(n *node) { c.rest.Deleted = c.name(n) },
		"equals": func(n *node) { c.rest.DeletedEquals = c.equals(n) },
		"sweep":  c.sweep,
		"feed":   func(*node) {}, // with the whole, for it goes by what the collection says
	})
	if n.get("equals") != nil {
		c.require(n, "field")
	}
	if n.kind == mapNode && len(n.fields) == 0 {
		c.fail(n, `says nothing: name a "field", a "feed" or a "sweep", or write none`)
	}
}

// feed decodes the list of deletions of the collection n, if it has one: a reading of its
// own, paged and shaped as the collection is unless it says otherwise.
func (c *collectionDecoder) feed(n *node, a account) {
	at := n.get("deletions")
	if at == nil || at.kind != mapNode || at.get("feed") == nil {
		return
	}
	at = at.get("feed")
	if !c.isKind(at, mapNode) {
		return
	}
	d := newCollectionDecoder(c.decoder, &a)
	d.settings.Collection = c.settings.Collection
	d.rest.AlwaysDeleted = true
	// What an event has beside id and instant can get into a dead letter queue.
	d.rest.Errors, d.rest.Drop, d.rest.Mask = c.rest.Errors, c.rest.Drop, c.rest.Mask
	feed := &c.settings.Feed
	feed.Interval = c.settings.Interval
	all := d.keys()
	known := keys{"every": func(n *node) { feed.Interval = c.duration(n, time.Millisecond) }}
	for _, key := range []string{"path", "cursor", "order", "page", "records", "id", "request"} {
		known[key] = all[key]
	}
	before := c.faults
	whole := overlay(n.only(&node{kind: mapNode, fields: []field{{key: "page"}, {key: "records"}, {key: "id"}}}), at)
	d.object(whole, known)
	if c.require(at, "path", "cursor"); at.get("cursor") != nil {
		c.require(at.get("cursor"), "field")
	}
	d.tick(whole)
	feed.Tick = d.settings.Tick
	feed.Unordered = d.rest.Unordered
	feed.Unfiltered = d.rest.Unordered && d.rest.Base != nil && d.rest.Unfiltered()
	feed.Paged = !a.broken && d.rest.Base != nil && d.rest.Paged()
	if c.faults == before && !a.broken {
		d.validate(whole)
	}
	c.feedRest = &d.rest
}

// leastSweep is the shortest time between two sweeps that makes any sense.
const leastSweep = time.Second

func (c *collectionDecoder) sweep(n *node) {
	s := &c.settings.Sweeps
	if n.isScalar() {
		if text, ok := c.scalar(n, "none, or a map such as {every: 24h}"); ok && text != "none" {
			c.fail(n, "wants none, or a map such as {every: 24h}; found %s", shown(n))
		}
		*s = connector.Sweeps{}
		return
	}
	*s = connector.Sweeps{MaxRatio: connector.DefaultMaxRatio, MaxCount: connector.DefaultMaxCount, Pages: connector.DefaultSweepPages}
	c.object(n, keys{
		"every": func(n *node) { s.Every = c.duration(n, leastSweep) },
		"confirm": func(n *node) {
			s.Confirm = connector.Confirm(c.oneOf(n, string(connector.ConfirmIDs), string(connector.ConfirmGet), string(connector.ConfirmNone)))
		},
		"max_ratio": func(n *node) { s.MaxRatio = c.ratio(n) },
		"max_count": func(n *node) { s.MaxCount = c.int(n, 0, 1_000_000_000) },
		"pages":     func(n *node) { s.Pages = c.int(n, 1, 1_000_000) },
	})
	if n.kind == mapNode {
		c.require(n, "every")
	}
}

// sweeps checks what of a sweep depends on the rest of the collection.
func (c *collectionDecoder) sweeps(n *node) {
	s := &c.settings.Sweeps
	if s.Every == 0 {
		return
	}
	at := n.at("deletions").at("sweep")
	asks := c.settings.Probe > 1
	switch {
	case s.Confirm == "" && asks:
		s.Confirm = connector.ConfirmIDs
	case c.mistyped(n, "probe"), c.mistyped(n.get("probe"), "max"), s.Confirm == "" && (at.get("confirm") != nil || c.mistyped(at, "confirm")):
		// was reported
	case s.Confirm == "":
		c.fail(at, `needs "confirm": the collection has no "probe", by which records could be asked for by their ids, so say confirm: none to believe what two sweeps have missed`)
	case s.Confirm != connector.ConfirmNone && !asks:
		c.fail(at, `has confirm: %s, and the collection has no "probe" that may ask for two ids or more, one of them a record that is there`, s.Confirm)
	}
	s.Listing = c.rest.Listing()
}
