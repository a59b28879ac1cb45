package replica

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"modernc.org/sqlite"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// What SQL asks of records that SQLite's own functions would answer otherwise than JSON
// means it (json_extract makes true a 1, LIKE and lower know ASCII alone) or not at all.
// They are registered once, for every connection of the process.
func init() {
	register("tributary_field", 2, sqlField)
	register("tributary_text", 3, sqlText)
	register("tributary_includes", 2, sqlIncludes)
	register("tributary_instant", 1, sqlInstant)
	register("tributary_period", 3, sqlPeriod)
}

// register registers a function whose arguments are views that it does not keep. A file
// that is damaged may hold what is no JSON, on which the walk panics.
func register(name string, args int32, f func(args []driver.Value) (driver.Value, error)) {
	sqlite.MustRegisterFunction(name, &sqlite.FunctionImpl{
		NArgs: args, Deterministic: true, VolatileArgs: true,
		Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (v driver.Value, err error) {
			defer func() {
				if recover() != nil {
					v, err = nil, errDamaged
				}
			}()
			return f(args)
		},
	})
}

// errDamaged is what a function says of a record that is no JSON. It comes back as the text
// of SQLite's error.
var errDamaged = errors.New("tributary: a row holds what was never written to it")

var paths pathCache

// field is the value at a path of a record.
func sqlField(args []driver.Value) (driver.Value, error) {
	record, ok := args[0].([]byte)
	text, isText := args[1].(string)
	if !ok || !isText {
		return nil, errDamaged
	}
	p, err := paths.get(text)
	if err != nil {
		return nil, err
	}
	return valueOf(p.find(record)), nil
}

// text says whether a text contains, or begins or ends with, another.
func sqlText(args []driver.Value) (driver.Value, error) {
	text, ok := args[0].(string)
	if !ok {
		return int64(0), nil
	}
	return truth(holds(text, args[1].(string), args[2].(string))), nil
}

func holds(text, operator, part string) bool {
	switch operator {
	case opContains:
		return strings.Contains(text, part)
	case opStartsWith:
		return strings.HasPrefix(text, part)
	case opEndsWith:
		return strings.HasSuffix(text, part)
	default: // opIContains
		return strings.Contains(fold(text), fold(part))
	}
}

// fold returns the same text for those that differ in upper and lower case alone: by simple
// folding, one character for one.
func fold(text string) string { return strings.Map(foldRune, text) }

func foldRune(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	if r < unicode.MaxASCII && r != 'k' && r != 's' {
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

func sqlIncludes(args []driver.Value) (driver.Value, error) {
	array, ok := args[0].([]byte)
	if !ok || len(array) == 0 || array[0] != '[' {
		return int64(0), nil
	}
	has, err := includes(array, args[1])
	return truth(has), err
}

// instant is that of an RFC 3339 text in microseconds since 1970, NULL for any other.
func sqlInstant(args []driver.Value) (driver.Value, error) {
	if at, ok := instantOf(args[0]); ok {
		return int64(at), nil
	}
	return nil, nil
}

func instantOf(v driver.Value) (connector.Instant, bool) {
	text, ok := v.(string)
	if !ok || len(text) < len("2006-01-02T15:04:05Z") || len(text) > 64 || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	t, ok := canon.ParseTime([]byte(text))
	if !ok {
		return 0, false
	}
	return connector.Instant(t.Micros()), true
}

// period is the day with which the year, month, week or day of an instant begins.
func sqlPeriod(args []driver.Value) (driver.Value, error) {
	at, ok := instantOf(args[0])
	if !ok {
		return nil, nil
	}
	zone, err := zoneOf(args[2].(string))
	if err != nil {
		return nil, err
	}
	t := at.Time().In(zone)
	year, month, day := t.Date()
	switch args[1].(string) {
	case "year":
		month, day = time.January, 1
	case "month":
		day = 1
	case "week": // ISO 8601: from Monday on
		day -= (int(t.Weekday()) + 6) % 7
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Format("2006-01-02"), nil
}

var zones sync.Map // by name: each is looked for in a database of files otherwise, per row

func zoneOf(name string) (*time.Location, error) {
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location), nil
	}
	name = strings.Clone(name)
	z, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone such as Europe/Paris", name)
	}
	zones.Store(name, z)
	return z, nil
}

func truth(b bool) driver.Value {
	if b {
		return int64(1)
	}
	return int64(0)
}
