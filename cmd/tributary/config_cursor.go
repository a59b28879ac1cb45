package main

import (
	"strings"
	"time"
	_ "time/tzdata" // cursor.zone, on machines and in images without a database of zones

	"tributary/connector"
	"tributary/connector/rest"
)

// formatTicks are the formats of a bound that have a name, with the finest instants
// that they can write.
var formatTicks = map[string]time.Duration{
	"rfc3339": time.Second, "rfc3339_ms": time.Millisecond, "rfc3339_us": time.Microsecond,
	"unix": time.Second, "unix_ms": time.Millisecond, "unix_us": time.Microsecond,
}

func (c *collectionDecoder) cursor(n *node) {
	r := &c.rest
	c.exclusive, c.precision = false, 0
	c.object(n, keys{
		"field":  c.cursorField,
		"from":   func(n *node) { r.From = c.name(n) },
		"to":     func(n *node) { r.To = c.text(n) },
		"format": func(n *node) { r.Format = c.format(n) },
		"zone":   func(n *node) { r.Zone = c.zone(n) },
		"tick": func(n *node) {
			c.settings.Tick = c.duration(n, time.Microsecond).Truncate(time.Microsecond)
		},
		"operator":  func(n *node) { c.exclusive = c.oneOf(n, "gte", "gt") == "gt" },
		"beginning": func(n *node) { r.BeginningText, _ = c.scalar(n, "text or a number") },
		"precision": func(n *node) {
			c.precision = c.duration(n, time.Microsecond).Truncate(time.Microsecond)
		},
	})
}

// cursorField decodes the path of a record's instant, or several of which the first that
// is set counts.
func (c *collectionDecoder) cursorField(n *node) {
	c.rest.Instant, c.rest.InstantElse = c.somePaths(n)
}

// zone decodes the name of a time zone.
func (c *collectionDecoder) zone(n *node) *time.Location {
	name := c.name(n)
	at, err := time.LoadLocation(name)
	if name == "" || name == "Local" || err != nil {
		c.fail(n, "wants the name of a time zone such as UTC or Europe/Paris, found %s", shown(n))
		return nil
	}
	return at
}

// format decodes the name of a format or a layout of Go's package time. A layout must
// at least give back a day that it wrote, which a word or a typing error does not.
func (c *collectionDecoder) format(n *node) string {
	s := c.name(n)
	if _, named := formatTicks[s]; named || s == "" {
		return s
	}
	if !writesWhole(s, 24*time.Hour) {
		hint := ""
		if near := nearest(n.text, rest.FormatNames()); near != "" {
			hint = "; did you mean \"" + near + "\"?"
		}
		c.fail(n, "wants one of %s, or a layout of Go's package time such as 2006-01-02T15:04:05Z; found %s%s", strings.Join(rest.FormatNames(), ", "), shown(n), hint)
		return ""
	}
	return s
}

// tick fills in the precision of a bound and checks that the format can write it. A
// bound that is cut when it is written would ask for records from too early, or up to
// too early, without anyone seeing it.
func (c *collectionDecoder) tick(n *node) {
	cursor := n.get("cursor")
	finest, named := formatTicks[c.rest.Format]
	tick := &c.settings.Tick
	switch {
	case cursor == nil || cursor.kind != mapNode || c.rest.Format == "":
		if *tick == 0 {
			*tick = time.Microsecond
		}
	case *tick == 0 && named:
		*tick = finest
	case *tick == 0:
		c.fail(cursor, `needs "tick", the precision of a bound, because the format is a layout`)
	case named && *tick < finest, !named && !writesWhole(c.rest.Format, *tick):
		c.fail(cursor, "has a tick of %v, which is finer than the format %q can write", *tick, c.rest.Format)
	case named && *tick%finest != 0:
		c.fail(cursor, "has a tick of %v, and the format %q writes whole %v: some bounds would be cut", *tick, c.rest.Format, finest)
	}
	if c.exclusive {
		c.rest.Exclusive = *tick
	}
	c.precise(n, cursor)
}

// precise makes of stamps that are coarser than the bound what a reading needs to know:
// a tick as coarse as they are, and patience with what is younger.
func (c *collectionDecoder) precise(n, cursor *node) {
	if c.precision == 0 {
		return
	}
	tick := &c.settings.Tick
	switch {
	case *tick > 0 && c.precision > *tick && c.precision%*tick != 0:
		c.fail(cursor, "has a precision of %v, which is no multiple of the tick of %v", c.precision, *tick)
	case c.precision > *tick:
		*tick = c.precision
	}
	if n.get("settle") == nil {
		c.settings.Settle = c.precision
	}
}

// writesWhole says whether a layout writes instants that are whole ticks so that
// nothing of them is lost.
func writesWhole(layout string, tick time.Duration) bool {
	for _, sample := range []string{"1999-11-23T21:47:58.987654Z", "2031-02-04T05:06:07.000001Z"} {
		at, _ := time.Parse(time.RFC3339Nano, sample)
		want := connector.InstantOf(at).Floor(tick)
		got, err := time.Parse(layout, want.Time().Format(layout))
		if err != nil || connector.InstantOf(got) != want {
			return false
		}
	}
	return true
}

func (c *collectionDecoder) echo(n *node) {
	c.object(n, keys{
		"from": func(n *node) { c.rest.EchoFrom = c.text(n) },
		"order": func(n *node) {
			c.rest.EchoOrder = map[string]string{}
			c.scalars(n, func(key, value string, _ *node) { c.rest.EchoOrder[key] = value })
		},
	})
}
