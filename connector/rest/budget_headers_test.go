package rest

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// header makes a header of lines.
func headerOf(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func TestStatementsOfABudgetAreRead(t *testing.T) {
	at := time.Date(2031, 5, 6, 7, 8, 42, 0, time.UTC) // 1935817722
	for name, c := range map[string]struct {
		budget Budget
		header http.Header
		want   *statement // nil: nothing is stated
	}{
		"none":                          {Budget{}, headerOf(), nil},
		"x-ratelimit, seconds":          {Budget{}, headerOf("X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 42", "X-RateLimit-Reset: 7"), &statement{42, 100, 7 * time.Second, 0}},
		"x-ratelimit, unix":             {Budget{}, headerOf("x-ratelimit-limit: 5000", "x-ratelimit-remaining: 4999", "x-ratelimit-reset: 1935821322"), &statement{4999, 5000, time.Hour, 0}},
		"x-ratelimit, milliseconds":     {Budget{}, headerOf("X-RateLimit-Remaining: 9", "X-RateLimit-Reset: 1935817727500"), &statement{9, 0, 5500 * time.Millisecond, 0}},
		"x-rate-limit, a date":          {Budget{}, headerOf("X-Rate-Limit-Remaining: 9", "X-Rate-Limit-Reset: 2031-05-06T07:09:42Z"), &statement{9, 0, time.Minute, 0}},
		"a reset that is past is now":   {Budget{}, headerOf("X-RateLimit-Remaining: 9", "X-RateLimit-Reset: 1935817600"), &statement{9, 0, 0, 0}},
		"below nothing is nothing":      {Budget{}, headerOf("X-RateLimit-Remaining: -3"), &statement{0, 0, -1, 0}},
		"no reset":                      {Budget{}, headerOf("X-RateLimit-Remaining: 3", "X-RateLimit-Limit: 9"), &statement{3, 9, -1, 0}},
		"a limit below what is left":    {Budget{}, headerOf("X-RateLimit-Remaining: 30", "X-RateLimit-Limit: 9"), &statement{30, 0, -1, 0}},
		"a limit alone":                 {Budget{}, headerOf("X-RateLimit-Limit: 9", "X-RateLimit-Reset: 9"), nil},
		"no number":                     {Budget{}, headerOf("X-RateLimit-Remaining: many", "X-RateLimit-Reset: 7"), nil},
		"two numbers":                   {Budget{}, headerOf("X-RateLimit-Remaining: 3, 4", "X-RateLimit-Reset: 7"), nil},
		"infinite":                      {Budget{}, headerOf("X-RateLimit-Remaining: inf"), nil},
		"a reset in a hundred years":    {Budget{}, headerOf("X-RateLimit-Remaining: 3", "X-RateLimit-Reset: 3150000000000000"), &statement{3, 0, -1, 0}},
		"headers of one's own":          {Budget{Remaining: "left", Limit: "of", Reset: "until", ResetAs: ResetUnixMS}, headerOf("left: 3", "of: 9", "until: 1935817723000", "X-RateLimit-Remaining: 0"), &statement{3, 9, time.Second, 0}},
		"in the form that is said":      {Budget{Remaining: "left", Reset: "until", ResetAs: ResetSeconds}, headerOf("left: 3", "until: 1935817723"), &statement{3, 0, -1, 0}},
		"Salesloft's":                   {Budget{Remaining: "x-ratelimit-remaining-minute"}, headerOf("x-ratelimit-remaining-minute: 583", "x-ratelimit-endpoint-cost: 1"), &statement{583, 0, -1, 0}},
		"IETF drafts to 06":             {Budget{}, headerOf("RateLimit-Limit: 100, 100;w=60", "RateLimit-Remaining: 50", "RateLimit-Reset: 30"), &statement{50, 100, 30 * time.Second, 0}},
		"IETF draft 07":                 {Budget{}, headerOf("RateLimit: limit=100, remaining=50, reset=30", "RateLimit-Policy: 100;w=60"), &statement{50, 100, 30 * time.Second, 0}},
		"IETF draft 08 on":              {Budget{}, headerOf(`RateLimit: "default";r=50;t=30`, `RateLimit-Policy: "default";q=100;w=60`), &statement{50, 100, 30 * time.Second, time.Minute}},
		"without a time, its window is": {Budget{}, headerOf(`RateLimit: "default";r=50`, `RateLimit-Policy: "default";q=100;w=60`), &statement{50, 100, time.Minute, time.Minute}},
		"the tightest of several":       {Budget{}, headerOf(`RateLimit: "burst";r=90;t=60, "daily";r=5;t=80000`, `RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400`), &statement{5, 1000, 80000 * time.Second, 24 * time.Hour}},
		"over several lines":            {Budget{}, headerOf(`RateLimit: "a";r=90;t=60`, `RateLimit: "b";r=0;t=5;pk=:YWJj:`), &statement{0, 0, 5 * time.Second, 0}},
		"of both kinds":                 {Budget{}, headerOf("X-RateLimit-Remaining: 900", "X-RateLimit-Reset: 60", `RateLimit: "b";r=1;t=60`), &statement{1, 0, time.Minute, 0}},
		"used up, the longer one":       {Budget{}, headerOf(`RateLimit: "a";r=0;t=3, "b";r=0;t=50`), &statement{0, 0, 50 * time.Second, 0}},
		"bytes are not counted":         {Budget{}, headerOf(`RateLimit: "b";r=0;t=5`, `RateLimit-Policy: "b";q=1000;w=5;qu="content-bytes"`), nil},
		"requests said":                 {Budget{}, headerOf(`RateLimit: "b";r=4;t=5`, `RateLimit-Policy: "b";q=1000;w=5;qu="requests"`), &statement{4, 1000, 5 * time.Second, 5 * time.Second}},
		"names with commas":             {Budget{}, headerOf(`RateLimit: "a,\"b;r=0";r=7;t=5`), &statement{7, 0, 5 * time.Second, 0}},
		"malformed: no end of a text":   {Budget{}, headerOf(`RateLimit: "a;r=7;t=5`), nil},
		"malformed: no value":           {Budget{}, headerOf(`RateLimit: "a";r=;t=5`), nil},
		"malformed: not a number":       {Budget{}, headerOf(`RateLimit: "a";r=-7;t=5`), nil},
		"malformed: an empty member":    {Budget{}, headerOf(`RateLimit: "a";r=7;t=5,,`), nil},
		"a malformed policy is none":    {Budget{}, headerOf(`RateLimit: "a";r=7;t=5`, `RateLimit-Policy: "a";;`), &statement{7, 0, 5 * time.Second, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := c.budget.read(c.header, at)
			if ok != (c.want != nil) || ok && (got.remaining != c.want.remaining || got.limit != c.want.limit || got.window != c.want.window ||
				max(got.resets, -1) != max(c.want.resets, -1) && !(got.resets < 0 && c.want.resets < 0)) {
				t.Errorf("got %+v %v, want %+v", got, ok, c.want)
			}
		})
	}
	if s, ok := (&Budget{}).read(headerOf("X-RateLimit-Remaining: 3", "X-RateLimit-Reset: 1935817723"), time.Time{}); !ok || s.resets >= 0 {
		t.Errorf("an instant was measured without the server's clock: %+v", s)
	}
}

func FuzzStatement(f *testing.F) {
	for _, seed := range [][2]string{
		{"100", "1935821322"}, {"-1", "7.5"}, {`"default";r=50;t=30`, `"default";q=100;w=60`}, {"limit=100, remaining=50, reset=30", "100;w=60"},
		{`"a\"b";r=1`, `"a\"b";q=2;w=3;qu="requests";pk=:YQ==:`}, {`"`, `;`}, {"1e400", "2031-05-06T07:09:42Z"}, {`"a;r=1,`, `,`},
	} {
		f.Add(seed[0], seed[1], int64(1935817722))
	}
	f.Fuzz(func(t *testing.T, a, b string, at int64) {
		date := time.Unix(at%(1<<40), 0)
		for _, h := range []http.Header{
			{"X-Ratelimit-Remaining": {a}, "X-Ratelimit-Reset": {b}, "X-Ratelimit-Limit": {b}},
			{"Ratelimit": {a}, "Ratelimit-Policy": {b}},
			{"Ratelimit": {a, b}},
			{"Ratelimit-Remaining": {b}, "Ratelimit-Reset": {a}},
		} {
			for _, budget := range []Budget{{}, {PerMinute: 600, Share: 0.9, Window: WindowMinute}, {PerMinute: 60, Share: 1}} {
				s, ok := budget.read(h, date)
				if !ok {
					continue
				}
				if !(s.remaining >= 0 && s.remaining <= 1e15) || s.limit < 0 || s.limit > 0 && s.limit < s.remaining || s.resets > longestReset || s.window < 0 {
					t.Fatalf("%q: %+v", h, s)
				}
				// Whatever it states, requests go on in time and their pace is a number.
				acct := newAccount(budget, time.Duration(1e18))
				acct.grant(1, time.Second)
				acct.state(s, 1, date, time.Second)
				for now := time.Second; now < 3*time.Hour; now += 7 * time.Minute {
					acct.pass(now)
					rate, left := acct.pace(now)
					if math.IsNaN(rate) || math.IsNaN(left) || math.IsNaN(acct.level) || rate < 0 {
						t.Fatalf("%q: rate %v, left %v, level %v", h, rate, left, acct.level)
					}
					if d := acct.delay(0, 1, now); d < 0 || d > time.Second {
						t.Fatalf("%q: look again after %s", h, d)
					}
				}
			}
		}
	})
}
