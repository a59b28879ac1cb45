package contract

import (
	"fmt"
	"strings"
	"time"

	"tributary/connector"
)

// enough is how many different instants tell how precise they are: of those in
// microseconds one in a thousand is a whole millisecond.
const enough = 5

// shownPrecision is how fine the stamps are that were shown, 0 if that cannot be said.
func (c *Check) shownPrecision() time.Duration {
	all, fraction := map[connector.Instant]bool{}, false
	for _, r := range c.rows {
		all[r.Instant] = true
		fraction = fraction || strings.ContainsAny(r.Stamp, ".,") || isNumber(r.Stamp)
	}
	shown := time.Microsecond
	for _, g := range ladder {
		for at := range all {
			if at.Floor(g) != at {
				if len(all) >= enough || !fraction && shown <= time.Second {
					return shown
				}
				return 0
			}
		}
		if shown = g; g == time.Second && !fraction && len(all) < enough {
			return shown // there is no room for more in them
		}
	}
	if len(all) < enough {
		return 0
	}
	return shown
}

func isNumber(stamp string) bool { return strings.Trim(stamp, "0123456789-") == "" }

// stamps looks at how instants are shown.
func (c *Check) stamps() {
	shown := c.shownPrecision()
	switch {
	case shown == 0:
	case c.of != nil && c.behind(shown):
	case shown > c.tick:
		c.add("stamps", Warn, fmt.Sprintf("stamps are shown in whole %s, and `cursor.tick` is %s", short(shown), short(c.tick)),
			fmt.Sprintf("records that share one %s are one tie, however fine the API sorts; two changes within it may be seen as one, or in the order in which they are read", short(shown)),
			fmt.Sprintf("set `cursor.tick: %s`, and `settle: %s` if each of such changes matters", short(shown), short(shown)))
	default:
		c.add("stamps", OK, fmt.Sprintf("stamps are shown as fine as %s", short(shown)), "", "")
	}
	offsets := map[string]bool{}
	for _, r := range c.rows {
		if at := strings.LastIndexAny(r.Stamp, "Zz+-"); at > len("2006-01-02T") {
			offsets[strings.ToUpper(r.Stamp[at:])] = true
		}
	}
	if len(offsets) > 1 {
		c.add("offsets", Note, fmt.Sprintf("stamps come with %d different offsets from UTC", len(offsets)), "they are compared as instants and hashed as instants: nothing to do. Consumers that sort them as text would be wrong", "")
	}
}

// clock compares the API's clock with ours and with its stamps.
func (c *Check) clock() {
	// A Date has whole seconds, and was under way: nothing finer can be told.
	if skew := c.skew.Round(5 * time.Second); c.of == nil && (skew > 30*time.Second || skew < -30*time.Second) {
		c.add("clock", Note, fmt.Sprintf("our clock and the API's differ by about %s", skew), "no rule about records uses ours; logs and freshness metrics do", "correct whichever is wrong")
	}
	future := connector.Record{Instant: connector.Beginning}
	for _, r := range c.rows {
		if r.Instant > future.Instant {
			future = r
		}
	}
	if ahead := future.Instant.Sub(c.date); future.ID != "" && ahead > 2*time.Second {
		c.add("future", Warn, fmt.Sprintf("record %q is stamped %s, %s after the API's own clock", future.ID, future.Instant, ahead.Round(time.Second)),
			"it is published; but the cursor does not go past the clock, so every poll until then reads it again", "correct the record at its source, or check whether `cursor.field` is the instant of the last change and not a date to come")
	}
}
