package rest

import (
	"fmt"
	"strconv"
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

// stamps writes bounds and reads instants.
type stamps struct {
	layout string
	unit   int64 // microseconds of a number: "unix", "unix_ms"; 0: numbers are no instants
	ticks  []time.Duration
}

func newStamps(format string) stamps {
	switch format {
	case "unix":
		return stamps{unit: 1e6}
	case "unix_ms":
		return stamps{unit: 1e3}
	}
	s := stamps{layout: format, ticks: []time.Duration{0, time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour}}
	if l, ok := layouts[format]; ok {
		s.layout = l
	}
	return s
}

// checkFormat refuses a layout that loses more than a day, or cannot be read back.
func checkFormat(format string) error {
	s := newStamps(format)
	if s.unit > 0 {
		return nil
	}
	ref := time.Date(2021, 11, 23, 17, 46, 39, 0, time.UTC)
	if back, err := time.Parse(s.layout, ref.Format(s.layout)); err != nil || back.After(ref) || ref.Sub(back) >= 24*time.Hour {
		return fmt.Errorf("cursor.format %q is none of rfc3339, rfc3339_ms, rfc3339_us, unix and unix_ms, and as a layout of Go's package time it does not say date and time", format)
	}
	return nil
}

// lower writes an inclusive lower bound: never later than t.
func (s stamps) lower(t connector.Instant) string {
	if s.unit > 0 {
		return strconv.FormatInt(floorDiv(int64(t), s.unit), 10)
	}
	return t.Time().Format(s.layout) // cuts
}

// upper writes an exclusive upper bound: never earlier than t, for a format that cuts
// would leave out records between the bound that was meant and the one that was sent.
func (s stamps) upper(t connector.Instant) string {
	if s.unit > 0 {
		return strconv.FormatInt(-floorDiv(-int64(t), s.unit), 10)
	}
	text := ""
	for _, d := range s.ticks {
		text = t.Time().Add(d).Format(s.layout)
		if back, err := time.Parse(s.layout, text); err == nil && connector.InstantOf(back) >= t {
			break
		}
	}
	return text
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
	case s.unit > 0:
		us, ok = scaled(text, s.unit)
	case !number:
		if t, err := time.Parse(s.layout, string(text)); err == nil {
			us, ok = t.UnixMicro(), true
		}
	}
	return connector.Instant(us), ok && us >= minInstant && us <= maxInstant
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
