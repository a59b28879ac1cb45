package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"

	"tributary/connector"
)

// maxDelay bounds for how long whoever asks for a pull waits for others to ask too.
const maxDelay = time.Minute

// interval decodes the time between two pulls, none where only triggers are to say when.
func (c *collectionDecoder) interval(n *node) {
	if n.isScalar() && n.text == "none" {
		c.settings.Interval, c.scheduled = 0, true
		return
	}
	c.settings.Interval, c.scheduled = c.duration(n, time.Millisecond), true
}

// triggers decodes when a collection, or a handler, is pulled beside its interval. A
// schedule takes the place of an interval that nobody has set.
func (d *decoder) triggers(n *node, t *connector.Triggers) {
	zone := time.UTC
	if at := n.get("time_zone"); at != nil {
		zone = d.zone(at)
	}
	d.object(n, keys{
		"on_restart":    func(n *node) { t.OnRestart = d.bool(n) },
		"schedule":      func(n *node) { t.Cron = d.crons(n, zone) },
		"time_zone":     func(*node) {},
		"before_access": func(n *node) { t.BeforeAccess = d.bool(n) },
		"after_write":   func(n *node) { t.AfterWrite = d.bool(n) },
		"delay": func(n *node) {
			if t.Delay = d.duration(n, 0); t.Delay > maxDelay {
				d.fail(n, "is longer than %v: so long everybody who asks would wait", maxDelay)
			}
		},
	})
	if n.get("time_zone") != nil && n.get("schedule") == nil {
		d.fail(n.at("time_zone"), "has no meaning without a schedule")
	}
}

// zone decodes a time zone by its name in the database of time zones.
func (d *decoder) zone(n *node) *time.Location {
	name := d.name(n)
	loc, err := time.LoadLocation(name)
	if name == "" || name == "Local" || err != nil {
		if name != "" {
			d.fail(n, "wants the name of a time zone, as in Europe/Paris or UTC; found %s", shown(n))
		}
		return time.UTC
	}
	return loc
}

// crons decodes one cron expression, or several.
func (d *decoder) crons(n *node, zone *time.Location) []connector.Cron {
	items := []*node{n}
	if n.kind == listNode {
		if items = n.items; len(items) == 0 {
			d.fail(n, "names no time: leave it out, or say when")
		}
	}
	var all []connector.Cron
	for _, item := range items {
		text := d.name(item)
		if text == "" {
			continue
		}
		next, err := parseCron(text, zone)
		if err != nil {
			d.fail(item, "%v; found %s", err, shown(item))
			continue
		}
		all = append(all, connector.Cron{Text: text, Next: next})
	}
	return all
}

// cronParser knows five fields, six with seconds first, and words such as @daily. Where a
// clock is put forward over a time, that run comes right behind.
var cronParser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func parseCron(text string, zone *time.Location) (next func(time.Time) time.Time, err error) {
	const want = `wants a cron expression, as in "0 6 * * 1-5", "*/10 * * * * *" with seconds, or @daily`
	switch {
	case strings.Contains(text, "TZ="):
		return nil, fmt.Errorf("wants its time zone in `time_zone`")
	case strings.HasPrefix(strings.TrimSpace(text), "@every"):
		return nil, fmt.Errorf("wants `interval` in place of @every")
	}
	s, err := cronParser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s (%v)", want, err)
	}
	next = func(t time.Time) time.Time { return s.Next(t.In(zone)) }
	if fixedTime(text) {
		next = func(t time.Time) time.Time {
			n := s.Next(t.In(zone))
			if until := repeats(n); !until.IsZero() { // the clock does not change again so soon
				n = s.Next(until.Add(-time.Nanosecond))
			}
			return n
		}
	}
	if next(time.Now()).IsZero() {
		return nil, fmt.Errorf("names a time that never comes")
	}
	return next, nil
}

// fixedTime says whether an expression names hours and minutes of the day. As in Debian's cron
// such a run comes once where a clock is put back; one with * or */n for its hour or minute
// goes by the time that passes.
func fixedTime(text string) bool {
	fields := strings.Fields(text)
	if len(fields) < 5 {
		return !strings.EqualFold(strings.TrimSpace(text), "@hourly")
	}
	for _, f := range fields[len(fields)-5 : len(fields)-3] { // minute and hour, with seconds before them or not
		if strings.HasPrefix(f, "*") || strings.HasPrefix(f, "?") {
			return false
		}
	}
	return true
}

// repeats says up to when the clock shows what it has shown before, if it does so at t: it was
// put back; else it returns the zero time.
func repeats(t time.Time) (until time.Time) {
	began, _ := t.ZoneBounds()
	if t.IsZero() || began.IsZero() {
		return until
	}
	_, now := t.Zone()
	_, before := began.Add(-time.Nanosecond).Zone()
	if end := began.Add(time.Duration(before-now) * time.Second); t.Before(end) {
		return end
	}
	return until
}
