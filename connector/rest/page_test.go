package rest

import (
	"strings"
	"testing"

	"tributary/connector"
)

// decodeOne returns the record of a page of one, under a config's changes.
func decodeOne(t testing.TB, record string, change func(*Config)) connector.Record {
	t.Helper()
	c := plain("https://api.example.com")
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := newPageDecoder(&c, newStamps(c.Format)).decode([]byte(`{"data": [ ` + record + ` ]}`))
	if err != nil || len(p.Records) != 1 {
		t.Fatalf("%s: got %+v, %v", record, p, err)
	}
	return p.Records[0]
}

func TestARecordIsRead(t *testing.T) {
	t.Parallel()
	unix := func(format string) func(*Config) { return func(c *Config) { c.Format = format } }
	for _, c := range []struct {
		name, record string
		change       func(*Config)
		id, instant  string
		stamp        string
	}{
		{"as it is", `{"id":1,"updated_at":"2024-01-01T00:00:00.123456Z"}`, nil, "1", "2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00.123456Z"},
		{"an id beyond 2^53", `{"id":12345678901234567891,"updated_at":"2024-01-01T00:00:00Z"}`, nil, "12345678901234567891", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
		{"an id with a fraction", `{"id":1.0,"updated_at":"2024-01-01T00:00:00Z"}`, nil, "1.0", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
		{"an id with escapes", `{"id":"\u00e9\"\/\ud83d\ude00","updated_at":"2024-01-01T00:00:00Z"}`, nil, `é"/😀`, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
		{"a lone surrogate in a text", `{"id":1,"updated_at":"2024-01-01T00:00:00Z","name":"cut \ud83d"}`, nil, "1", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
		{"another offset", `{"id":1,"updated_at":"2024-03-10T01:30:00.5-05:00"}`, nil, "1", "2024-03-10T06:30:00.5Z", "2024-03-10T01:30:00.5-05:00"},
		{"an offset without a colon", `{"id":1,"updated_at":"2024-03-10T01:30:00+0530"}`, nil, "1", "2024-03-09T20:00:00Z", "2024-03-10T01:30:00+0530"},
		{"nanoseconds are floored", `{"id":1,"updated_at":"1969-12-31T23:59:59.999999999Z"}`, nil, "1", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999999Z"},
		{"a leap second", `{"id":1,"updated_at":"2016-12-31T23:59:60.25Z"}`, nil, "1", "2016-12-31T23:59:59.999999Z", "2016-12-31T23:59:60.25Z"},
		{"seconds", `{"id":1,"updated_at":1700000000}`, unix("unix"), "1", "2023-11-14T22:13:20Z", "1700000000"},
		{"seconds with a fraction", `{"id":1,"updated_at":1700000000.1234567}`, unix("unix"), "1", "2023-11-14T22:13:20.123456Z", "1700000000.1234567"},
		{"seconds as text", `{"id":1,"updated_at":"1700000000.000001"}`, unix("unix"), "1", "2023-11-14T22:13:20.000001Z", "1700000000.000001"},
		{"milliseconds", `{"id":1,"updated_at":1700000000123}`, unix("unix_ms"), "1", "2023-11-14T22:13:20.123Z", "1700000000123"},
		{"before the epoch", `{"id":1,"updated_at":-0.0000001}`, unix("unix"), "1", "1969-12-31T23:59:59.999999Z", "-0.0000001"},
		{"a text though bounds are numbers", `{"id":1,"updated_at":"2024-01-01T00:00:00Z"}`, unix("unix"), "1", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
		{"a layout", `{"id":1,"updated_at":"2024/01/02 03:04"}`, unix("2006/01/02 15:04"), "1", "2024-01-02T03:04:00Z", "2024/01/02 03:04"},
		{"fields below others", `{"key":{"id":"x"},"meta":{"at":"2024-01-01T00:00:00Z"},"id":2}`, func(c *Config) { c.ID, c.Instant = "key.id", "meta.at" }, "x", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := decodeOne(t, c.record, c.change)
			if r.Bad != "" || r.ID != c.id || r.Instant != instant(t, c.instant) || r.Stamp != c.stamp || string(r.Value) != c.record {
				t.Errorf("got %+v at %v", r, r.Instant)
			}
		})
	}
}

func TestABadRecordSaysWhyAndKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	const at = `"updated_at":"2024-01-01T00:00:00Z"`
	for _, c := range []struct{ record, bad, id string }{
		{`{` + at + `}`, "no id", ""},
		{`{"id":null,` + at + `}`, "id is null", ""},
		{`{"id":"",` + at + `}`, "id is empty", ""},
		{`{"id":{},` + at + `}`, "id is neither", ""},
		{`{"id":true,` + at + `}`, "id is neither", ""},
		{`{"id":"a\ud800",` + at + `}`, "surrogate", `a\ud800`},
		{`{"id":7}`, "no instant", "7"},
		{`{"id":7,"updated_at":null}`, "instant is null", "7"},
		{`{"id":7,"updated_at":"yesterday"}`, "cannot be read", "7"},
		{`{"id":7,"updated_at":"2024-01-01T00:00:00"}`, "cannot be read", "7"},
		{`{"id":7,"updated_at":"2024-13-01T00:00:00Z"}`, "cannot be read", "7"},
		{`{"id":7,"updated_at":""}`, "cannot be read", "7"},
		{`{"id":7,"updated_at":1700000000}`, "cannot be read", "7"},
		{`{"id":7,"updated_at":[]}`, "instant is neither", "7"},
		{`{"updated_at":7}`, "no id, and its instant", ""},
		{`[]`, "not an object", ""}, {`null`, "not an object", ""}, {`7`, "not an object", ""}, {`"a"`, "not an object", ""},
	} {
		if r := decodeOne(t, c.record, nil); !strings.Contains(r.Bad, c.bad) || r.ID != c.id || string(r.Value) != c.record {
			t.Errorf("%s: got %+v", c.record, r)
		}
	}
	for _, n := range []string{"1e9", "99999999999999999999", "-99999999999", "300000000000", "1.", "-"} {
		if n != "1." && n != "-" {
			if r := decodeOne(t, `{"id":7,"updated_at":`+n+`}`, func(c *Config) { c.Format = "unix" }); r.Bad == "" || r.Stamp != n {
				t.Errorf("%s: got %+v", n, r)
			}
		}
		if _, ok := newStamps("unix").parse([]byte(n), true); ok {
			t.Errorf("%s is an instant", n)
		}
	}
}

func TestADeletionIsAValueThatIsSet(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{`"x":1`: false, `"deleted_at":null`: false, `"deleted_at":false`: false,
		`"deleted_at":true`: true, `"deleted_at":"2024-01-01T00:00:00Z"`: true, `"deleted_at":0`: false, `"deleted_at":""`: false, `"deleted_at":1`: true, `"in":{"deleted_at":true}`: false} {
		record := `{"id":1,"updated_at":"2024-01-01T00:00:00Z",` + value + `}`
		if r := decodeOne(t, record, func(c *Config) { c.Deleted = "deleted_at" }); r.Deleted != want || r.Bad != "" {
			t.Errorf("%s: got %v", value, r.Deleted)
		}
		if r := decodeOne(t, record, nil); r.Deleted {
			t.Errorf("%s: a deletion that nobody asked for", value)
		}
	}
}

func TestTheHashIsOfTheFieldsOneCaresAbout(t *testing.T) {
	t.Parallel()
	exclude := func(c *Config) { c.Exclude = []string{"updated_at", "counts.seen"} }
	hash := func(record string) connector.Hash { return decodeOne(t, record, exclude).Hash }
	a := hash(`{"id":1,"updated_at":"2024-01-01T00:00:00Z","counts":{"seen":1,"sent":2},"due":"2024-05-01T00:00:00-04:00"}`)
	if b := hash(`{ "due":"2024-05-01T04:00:00.000Z", "counts":{"sent":2,"seen":9},"\u0069d":1,"updated_at":"2025-01-01T00:00:00Z"}`); a != b {
		t.Error("order, escapes, zone or an excluded field changed the hash")
	}
	if b := hash(`{"id":1,"updated_at":"2024-01-01T00:00:00Z","counts":{"seen":1,"sent":3},"due":"2024-05-01T00:00:00-04:00"}`); a == b {
		t.Error("a change is not seen")
	}
}

func TestRecordsMayBeTheWholeOrDeeper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, body string
		last       bool
	}{
		{"", ` [{"id":1,"updated_at":"2024-01-01T00:00:00Z"}] `, false},
		{"a.b", `{"next":null,"a":{"x":[{"id":9}],"b":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}]}}`, true},
	} {
		config := plain("https://api.example.com")
		config.Records, config.Next = c.path, "next"
		p, err := newPageDecoder(&config, newStamps(config.Format)).decode([]byte(c.body))
		if err != nil || len(p.Records) != 1 || p.Records[0].ID != "1" || p.Last != c.last {
			t.Errorf("%q: got %+v, %v", c.path, p, err)
		}
	}
}

func TestBoundsAreNeverTighterThanMeant(t *testing.T) {
	t.Parallel()
	at := instant(t, "2024-01-02T03:04:05.678901Z")
	for _, c := range []struct{ format, lower, upper string }{
		{"rfc3339", "2024-01-02T03:04:05Z", "2024-01-02T03:04:06Z"},
		{"rfc3339_ms", "2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05.679Z"},
		{"rfc3339_us", "2024-01-02T03:04:05.678901Z", "2024-01-02T03:04:05.678901Z"},
		{"unix", "1704164645", "1704164646"},
		{"unix_ms", "1704164645678", "1704164645679"},
		{"2006-01-02 15:04", "2024-01-02 03:04", "2024-01-02 03:05"},
	} {
		s := newStamps(c.format)
		if l, u := s.lower(at), s.upper(at); l != c.lower || u != c.upper {
			t.Errorf("%s: got %s and %s", c.format, l, u)
		}
	}
	if s := newStamps("unix"); s.lower(-1) != "-1" || s.upper(-1) != "0" {
		t.Errorf("before the epoch: got %s and %s", s.lower(-1), s.upper(-1))
	}
}
