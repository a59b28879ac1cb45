package main

import (
	"strings"
	"testing"
	"time"

	"tributary/connector"
)

func TestACollectionIsPulledAtItsStartAndAtItsInterval(t *testing.T) {
	s := collectionOf(t, mustParse(t, with()), "api.people").Settings
	if !s.Triggers.OnRestart || !s.Triggers.AfterWrite || s.Triggers.BeforeAccess || s.Triggers.Delay != 0 || s.Interval != connector.DefaultInterval {
		t.Errorf("got %v and %+v", s.Interval, s.Triggers)
	}
}

func TestTriggersOfASourceAreThoseOfItsCollections(t *testing.T) {
	s := collectionOf(t, mustParse(t, with("triggers: {on_restart: false, schedule: ['0 6 * * *', '*/20 * * * * *'], time_zone: Asia/Tokyo, before_access: true, after_write: false, delay: 50ms}")), "api.people").Settings
	if g := s.Triggers; g.OnRestart || !g.BeforeAccess || g.AfterWrite || g.Delay != 50*time.Millisecond || len(g.Cron) != 2 || g.Cron[0].Text != "0 6 * * *" {
		t.Fatalf("got %+v", g)
	}
	at := time.Date(2026, 1, 2, 20, 30, 5, 0, time.UTC)
	if next := s.Triggers.Cron[0].Next(at); !next.Equal(time.Date(2026, 1, 2, 21, 0, 0, 0, time.UTC)) {
		t.Errorf("six in Tokyo is at %v", next.UTC())
	}
	if next := s.Triggers.Cron[1].Next(at); !next.Equal(at.Add(15 * time.Second)) {
		t.Errorf("every twenty seconds is at %v", next.UTC())
	}
}

// Who sets a schedule does not want the default interval beside it.
func TestAScheduleTakesThePlaceOfTheDefaultInterval(t *testing.T) {
	for lines, want := range map[string]time.Duration{
		"triggers: {schedule: '@daily'}":                   0,
		"triggers: {schedule: '@daily'}\n    interval: 1h": time.Hour,
		"interval: none": 0,
	} {
		if got := collectionOf(t, mustParse(t, with(lines)), "api.people").Settings.Interval; got != want {
			t.Errorf("%s: interval %v", lines, got)
		}
	}
}

// A clock that is put forward over the time of a run does not lose it. One that is put back
// shows that time twice: as with Debian's cron what has a time of the day runs once, and what
// runs every so often goes on to.
func TestAScheduleLivesThroughTheChangesOfAClock(t *testing.T) {
	zone := func(name string) *time.Location {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return loc
	}
	berlin, howe := zone("Europe/Berlin"), zone("Australia/Lord_Howe") // which goes back by half an hour, from 02:00 to 01:30
	forward, back, south := time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 13, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		expr string
		in   *time.Location
		from time.Time
		want string // the runs of six hours
	}{
		{"30 2 * * *", berlin, forward, "03:30 CEST"},
		{"30 2 * * *", berlin, back, "02:30 CEST"},
		{"0 30 2 * * *", berlin, back, "02:30 CEST"},
		{"0 2 * * *", berlin, back, "02:00 CEST"},
		{"0 3 * * *", berlin, back, "03:00 CET"},
		{"0,30 1-3 * * *", berlin, back, "01:00 CEST, 01:30 CEST, 02:00 CEST, 02:30 CEST, 03:00 CET, 03:30 CET"},
		{"@daily", berlin, back.Add(-time.Hour), "00:00 CEST"},
		{"0 * * * *", berlin, back, "01:00 CEST, 02:00 CEST, 02:00 CET, 03:00 CET, 04:00 CET"},
		{"@hourly", berlin, back, "01:00 CEST, 02:00 CEST, 02:00 CET, 03:00 CET, 04:00 CET"},
		{"0 */2 * * *", berlin, back, "02:00 CEST, 02:00 CET, 04:00 CET"},
		{"*/30 2 * * *", berlin, back, "02:00 CEST, 02:30 CEST, 02:00 CET, 02:30 CET"},
		{"45 1 * * *", howe, south, "01:45 +11"},
		{"45 * * * *", howe, south, "00:45 +11, 01:45 +11, 01:45 +1030, 02:45 +1030, 03:45 +1030, 04:45 +1030"},
	} {
		next, err := parseCron(c.expr, c.in)
		if err != nil {
			t.Fatal(err)
		}
		var runs []string
		for at := next(c.from); at.Before(c.from.Add(6 * time.Hour)); at = next(at) {
			runs = append(runs, at.In(c.in).Format("15:04 MST"))
		}
		if got := strings.Join(runs, ", "); got != c.want {
			t.Errorf("%s from %s has the runs %s, want %s", c.expr, c.from.In(c.in), got, c.want)
		}
	}
}

func TestTriggersThatCannotBeAreRefused(t *testing.T) {
	for lines, want := range map[string]string{
		"triggers: {schedule: 'x * * * *'}":                          "wants a cron expression",
		"triggers: {schedule: '0 0 30 2 *'}":                         "never comes",
		"triggers: {schedule: 'TZ=0 0 0 * * *'}":                     "time_zone",
		"triggers: {schedule: 'CRON_TZ=America/New_York'}":           "time_zone",
		"triggers: {schedule: '@every 1m'}":                          "wants `interval`",
		"triggers: {schedule: []}":                                   "names no time",
		"triggers: {schedule: '0 0 * * *', time_zone: Mars/Olympus}": "wants the name of a time zone",
		"triggers: {schedule: '0 0 * * *', time_zone: Local}":        "wants the name of a time zone",
		"triggers: {time_zone: Europe/Paris}":                        "no meaning without a schedule",
		"triggers: {delay: 2h}":                                      "longer than 1m0s",
		"triggers: {on_restrt: true}":                                `did you mean "on_restart"`,
		"interval: nome":                                             "wants a duration",
	} {
		_, err := parseTest(with(lines))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"0 0 * * *", "*/5 * * * * *", "@daily", "TZ=0", "0 0 31 2 *", "1-5/0 * * * *", "* * * * 7", "60 * * * *", "@every 0s", "0 0 L * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		next, err := parseCron(text, time.UTC)
		if err != nil {
			return
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 5 {
			n := next(at)
			if n.IsZero() {
				return
			}
			if !n.After(at) {
				t.Fatalf("%q goes from %v to %v", text, at, n)
			}
			at = n
		}
	})
}
