package rest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// layouts are the named formats of bounds, in UTC.
var layouts = map[string]string{
	"rfc3339":    "2006-01-02T15:04:05Z",
	"rfc3339_ms": "2006-01-02T15:04:05.000Z",
	"rfc3339_us": "2006-01-02T15:04:05.000000Z",
}

// units are the named formats that are numbers, with their unit in microseconds.
var units = map[string]int64{"unix": 1e6, "unix_ms": 1e3, "unix_us": 1}

// FormatNames returns the formats of a bound that have a name.
func FormatNames() []string {
	return []string{"rfc3339", "rfc3339_ms", "rfc3339_us", "unix", "unix_ms", "unix_us"}
}

// stamps writes bounds and reads instants.
type stamps struct {
	layout string
	unit   int64 // microseconds of a number: "unix", "unix_ms"; 0: numbers are no instants
	zone   *time.Location
	zoned  bool // the zone was said: stamps without an offset are in it
	// exclusive is how much earlier a lower bound is written.
	exclusive time.Duration
	ticks     []time.Duration
}

func (c *Config) stamps() stamps {
	s := newStamps(c.Format)
	s.exclusive = c.Exclusive
	if c.Zone != nil {
		s.zone, s.zoned = c.Zone, true
	}
	return s
}

func newStamps(format string) stamps {
	if unit := units[format]; unit > 0 {
		return stamps{unit: unit, zone: time.UTC}
	}
	s := stamps{layout: format, zone: time.UTC, ticks: []time.Duration{0, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour}}
	if l, ok := layouts[format]; ok {
		s.layout = l
	}
	return s
}

// isUTC says whether texts of the layout are in UTC whatever the zone.
func (s stamps) isUTC() bool { return s.zone == time.UTC || s.layout[len(s.layout)-1] == 'Z' }

// checkFormat refuses a layout that loses more than a day, or cannot be read back.
func checkFormat(format string) error {
	s := newStamps(format)
	if s.unit > 0 {
		return nil
	}
	ref := time.Date(2021, 11, 23, 17, 46, 39, 0, time.UTC)
	if back, err := time.Parse(s.layout, ref.Format(s.layout)); err != nil || back.After(ref) || ref.Sub(back) >= 24*time.Hour {
		return fmt.Errorf("cursor.format %q is none of %s, and as a layout of Go's package time it does not say date and time", format, strings.Join(FormatNames(), ", "))
	}
	return nil
}

// lower writes an inclusive lower bound: never later than t.
func (s stamps) lower(t connector.Instant) string {
	t = t.Add(-s.exclusive)
	if s.unit > 0 {
		return strconv.FormatInt(floorDiv(int64(t), s.unit), 10)
	}
	text := s.write(t) // cuts
	if s.isUTC() {
		return text
	}
	// An hour that the zone's clock shows twice: who reads the text may mean the second.
	for d := time.Duration(0); d <= 24*time.Hour; d += 15 * time.Minute {
		text = s.write(t.Add(-d))
		if _, latest, ok := s.meant(text); ok && latest <= t {
			break
		}
	}
	return text
}

// upper writes an exclusive upper bound: never earlier than t, for a format that cuts
// would leave out records between the bound that was meant and the one that was sent.
func (s stamps) upper(t connector.Instant) string {
	if s.unit > 0 {
		return strconv.FormatInt(-floorDiv(-int64(t), s.unit), 10)
	}
	text := ""
	for _, d := range s.ticks {
		text = s.write(t.Add(d))
		if earliest, _, ok := s.meant(text); ok && earliest >= t {
			return text
		}
	}
	return text
}

// write writes an instant as the layout does. The named layouts are in UTC.
func (s stamps) write(t connector.Instant) string {
	if s.isUTC() {
		return t.Time().Format(s.layout)
	}
	return t.Time().In(s.zone).Format(s.layout)
}

// meant returns the earliest and the latest instant that a text of the layout can mean.
// A zone that puts its clocks back shows an hour twice.
func (s stamps) meant(text string) (earliest, latest connector.Instant, ok bool) {
	if s.isUTC() {
		at, err := time.Parse(s.layout, text)
		return connector.InstantOf(at), connector.InstantOf(at), err == nil
	}
	at, err := time.ParseInLocation(s.layout, text, s.zone)
	if err != nil {
		return 0, 0, false
	}
	earliest, latest = connector.InstantOf(at), connector.InstantOf(at)
	if at.Location() != s.zone {
		return earliest, latest, true // the text has an offset of its own
	}
	_, now := at.Zone()
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := at.Add(near).Zone()
		other := at.Add(time.Duration(now-offset) * time.Second)
		if _, shows := other.Zone(); shows == offset {
			earliest, latest = min(earliest, connector.InstantOf(other)), max(latest, connector.InstantOf(other))
		}
	}
	return earliest, latest, true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Instants lie in the years 0000 to 9999: what is outside is not a time but an
// accident, and could not be written as a bound.
const minInstant, maxInstant int64 = -62167219200e6, 253402300800e6 - 1

// parse reads the text of an instant, a string's or a number's.
func (s stamps) parse(text []byte, number bool) (connector.Instant, bool) {
	us, ok := int64(0), false
	switch t, isTime := canon.ParseTime(text); {
	case isTime && !number:
		us, ok = t.Micros(), true
	case s.unit > 0 && scaledDigits(text):
		us, ok = scaled(text, s.unit)
	case !number:
		us, ok = s.parseLocal(text)
	}
	return connector.Instant(us), ok && us >= minInstant && us <= maxInstant
}

func scaledDigits(text []byte) bool {
	return len(text) < 5 || text[4] != '-' // the text of a date, though bounds are numbers
}

// localLayouts are how stamps without an offset are written; package time reads a
// fraction behind the seconds without being told.
var localLayouts = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"}

// parseLocal reads a text in the layout of the bounds or, where the zone is known, one
// without an offset. Where it is not, such a text is no instant.
func (s stamps) parseLocal(text []byte) (int64, bool) {
	if s.layout != "" {
		if earliest, _, ok := s.meant(string(text)); ok {
			return int64(earliest), true
		}
	}
	for _, l := range localLayouts {
		if s.zoned && len(text) >= len(l) && text[10] == l[10] {
			if t, err := time.ParseInLocation(l, string(text), s.zone); err == nil {
				return t.UnixMicro(), true
			}
		}
	}
	return 0, false
}

// scaled reads a decimal number and multiplies it by unit, floored, without the loss
// that a float would bring.
func scaled(text []byte, unit int64) (int64, bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	n, digits, i := int64(0), 0, 0
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		if n > maxInstant/unit {
			return 0, false // no instant by far
		}
		n, digits = n*10+int64(text[i]-'0'), digits+1
	}
	n *= unit
	exact := true
	if i < len(text) && text[i] == '.' && i+1 < len(text) {
		for i++; i < len(text) && text[i]-'0' <= 9; i++ {
			unit /= 10
			n += int64(text[i]-'0') * unit
			exact = exact && (unit > 0 || text[i] == '0')
		}
	}
	if negative {
		n = -n
		if !exact {
			n-- // what was cut away goes down, not towards zero
		}
	}
	return n, digits > 0 && i == len(text)
}
