package rest

import (
	"testing"
	"time"

	"tributary/connector"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	at, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return at
}

func TestABoundIsWrittenAsTheAPITakesIt(t *testing.T) {
	t.Parallel()
	at := instant(t, "2024-07-02T03:04:05.678901Z")
	for _, c := range []struct {
		format, low, high string
		change            func(*Config)
	}{
		{"rfc3339_us", "2024-07-02T03:04:05.678901Z", "2024-07-02T03:04:05.678901Z", nil},
		{"rfc3339", "2024-07-02T03:04:05Z", "2024-07-02T03:04:06Z", nil},
		{"unix", "1719889445", "1719889446", nil},
		{"unix_ms", "1719889445678", "1719889445679", nil},
		{"unix_us", "1719889445678901", "1719889445678901", nil},
		{"2006-01-02 15:04", "2024-07-02 03:04", "2024-07-02 03:05", nil},
		{"2006-01-02 15:04", "2024-07-02 05:04", "2024-07-02 05:05", func(c *Config) { c.Zone = zone(t, "Europe/Paris") }},
		{"2006-01-02T15:04:05Z", "2024-07-02T03:04:05Z", "2024-07-02T03:04:06Z", func(c *Config) { c.Zone = zone(t, "Europe/Paris") }},
		{"unix", "1719889444", "1719889446", func(c *Config) { c.Exclusive = time.Second }},
		{"rfc3339_us", "2024-07-02T03:04:05.678900Z", "2024-07-02T03:04:05.678901Z", func(c *Config) { c.Exclusive = time.Microsecond }},
	} {
		config := bare()
		config.Format = c.format
		if c.change != nil {
			c.change(&config)
		}
		s := config.stamps()
		if low, high := s.lower(at), s.upper(at); low != c.low || high != c.high {
			t.Errorf("%s: got %s and %s, want %s and %s", c.format, low, high, c.low, c.high)
		}
	}
}

// A zone that puts its clock back shows an hour twice. Whichever of the two an API takes
// a bound for, it must not leave anything out.
func TestABoundInAnHourThatIsShownTwiceLeavesNothingOut(t *testing.T) {
	t.Parallel()
	config := bare()
	config.Format, config.Zone = "2006-01-02 15:04", zone(t, "America/New_York")
	s := config.stamps()
	begin := instant(t, "2024-11-03T04:00:00Z") // 00:00 EDT; at 06:00 it is 01:00 again
	for minutes := range 240 {
		at := begin.Add(time.Duration(minutes) * time.Minute)
		_, latest, ok := s.meant(s.lower(at))
		earliest, _, also := s.meant(s.upper(at))
		if !ok || !also || latest > at || earliest < at || at.Sub(latest) > time.Hour || earliest.Sub(at) > time.Hour {
			t.Fatalf("%s: %s means %s at the latest, %s means %s at the earliest", at, s.lower(at), latest, s.upper(at), earliest)
		}
	}
}

func TestStampsOfEveryWriting(t *testing.T) {
	t.Parallel()
	config := bare()
	config.Zone = zone(t, "Europe/Paris")
	local := config.stamps()
	config.Zone, config.Format = nil, "unix_us"
	micros := config.stamps()
	for _, c := range []struct {
		s      stamps
		text   string
		number bool
		want   string
	}{
		{local, "2024-07-02T03:04:05.678", false, "2024-07-02T01:04:05.678Z"},
		{local, "2024-07-02 03:04:05", false, "2024-07-02T01:04:05Z"},
		{local, "2024-07-02 03:04", false, "2024-07-02T01:04:00Z"},
		{local, "2024-07-02T03:04:05.678+0000", false, "2024-07-02T03:04:05.678Z"},
		{local, "2024-07-02 03:04:05.678Z", false, "2024-07-02T03:04:05.678Z"},
		{local, "2024-07-02", false, ""},
		{newStamps("rfc3339"), "2024-07-02T03:04:05", false, ""},
		{newStamps("rfc3339"), "2024-07-02 03:04:05", false, ""},
		{newStamps("2006-01-02 15:04"), "2024-07-02 03:04", false, "2024-07-02T03:04:00Z"},
		{micros, "1719889445678901", true, "2024-07-02T03:04:05.678901Z"},
		{micros, "1719889445678901", false, "2024-07-02T03:04:05.678901Z"},
		{micros, "2024-07-02T03:04:05Z", false, "2024-07-02T03:04:05Z"},
	} {
		got, ok := c.s.parse([]byte(c.text), c.number)
		if ok != (c.want != "") || ok && got != instant(t, c.want) {
			t.Errorf("%q: got %v %v, want %q", c.text, got, ok, c.want)
		}
	}
}

func TestTheFirstInstantThatIsSetCounts(t *testing.T) {
	t.Parallel()
	c := plain("https://api.example.com")
	c.Instant, c.InstantElse = "date_updated", []string{"meta.updated", "date_created"}
	d := newPageDecoder(&c, c.stamps())
	p, err := d.decode([]byte(`{"data":[{"id":1,"date_updated":null,"date_created":"2024-01-01T00:00:00Z"},
		{"id":2,"date_updated":"2024-01-02T00:00:00Z","date_created":"2024-01-01T00:00:00Z"},
		{"id":3,"meta":{"updated":"2024-01-03T00:00:00Z"},"date_created":"2024-01-01T00:00:00Z"},{"id":4,"date_created":null}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z", ""} {
		if got := p.Records[i]; got.Stamp != want || (got.Bad == "") != (want != "") {
			t.Errorf("record %d: got %q %q, want %q", i+1, got.Stamp, got.Bad, want)
		}
	}
	if got := c.Fingerprint().Instant; got != `["date_updated","meta.updated","date_created"]` {
		t.Errorf("the fingerprint shows %s", got)
	}
}

func TestTheBeginningCanHaveAText(t *testing.T) {
	t.Parallel()
	c := bare()
	c.BeginningText = "1970-01-01T00:00:00Z"
	if got, _ := written(t, sourceOf(t, c), everything); got != "GET /v2/people?since=1970-01-01T00:00:00Z" {
		t.Error(got)
	}
	body := object(Member{"from", words("{from}")})
	c.Params, c.Method, c.Body, c.Format = nil, "POST", &body, "unix"
	for beginning, want := range map[string]string{"0": `{"from":0}`, "start": `{"from":"start"}`} {
		c.BeginningText = beginning
		if _, got := written(t, sourceOf(t, c), connector.Query{From: connector.Beginning, To: 5e6}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
