package rest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A statement is what an answer says of the account's budget.
type statement struct {
	remaining float64
	limit     float64       // 0: it does not say
	resets    time.Duration // from now until it begins anew, negative: it does not say
	window    time.Duration // 0: it does not say
}

// usual are the headers that most APIs agree on. The second are those of drafts 00 to 06 of
// the IETF's RateLimit fields.
var usual = [][3]string{usualNames("X-RateLimit-"), usualNames("RateLimit-"), usualNames("X-Rate-Limit-")}

func usualNames(prefix string) (names [3]string) {
	for i, what := range []string{"Remaining", "Limit", "Reset"} {
		names[i] = http.CanonicalHeaderKey(prefix + what)
	}
	return names
}

// read returns the tightest of what an answer states. What cannot be read is as if it were
// not there, as the IETF's draft demands.
func (b *Budget) read(h http.Header, date time.Time) (tightest statement, ok bool) {
	take := func(s statement, fine bool) {
		if fine && (!ok || s.tighter(tightest)) {
			tightest, ok = s, true
		}
	}
	if b.Remaining != "" || b.Limit != "" || b.Reset != "" {
		take(readTriple(h, b.Remaining, b.Limit, b.Reset, b.ResetAs, date))
	} else {
		for _, names := range usual {
			take(readTriple(h, names[0], names[1], names[2], "", date))
		}
	}
	if fields := h.Values("Ratelimit"); len(fields) > 0 {
		for _, s := range readRateLimit(strings.Join(fields, ","), strings.Join(h.Values("Ratelimit-Policy"), ",")) {
			take(s, true)
		}
	}
	return tightest, ok
}

// spent says whether an answer states that nothing is left, and for how long.
func (l *limiter) spent(h http.Header, date time.Time) (after time.Duration, _ bool) {
	s, ok := l.account.b.read(h, date)
	if !ok || s.remaining > 0 {
		return 0, false
	}
	return min(max(s.resets, 0), maxAfter), true
}

// tighter says whether s allows less in the time that it is for.
func (s statement) tighter(o statement) bool {
	if s.remaining <= 0 && o.remaining <= 0 {
		return s.lasts() > o.lasts()
	}
	return s.remaining/s.lasts() < o.remaining/o.lasts()
}

func (s statement) lasts() float64 {
	switch {
	case s.resets >= 0:
		return math.Max(s.resets.Seconds(), 1e-3)
	case s.window > 0:
		return s.window.Seconds()
	}
	return 60
}

// readTriple reads a header each for what is left, the limit and when it begins anew.
func readTriple(h http.Header, remaining, limit, reset string, as ResetForm, date time.Time) (s statement, ok bool) {
	if remaining == "" {
		return s, false
	}
	if s.remaining, ok = number(h.Get(remaining)); !ok {
		return s, false
	}
	// "100, 100;w=60" names its windows behind it.
	first, _, _ := strings.Cut(h.Get(limit), ",")
	if s.limit, ok = number(first); limit == "" || !ok || s.limit < s.remaining {
		s.limit = 0
	}
	s.resets = -1
	if reset != "" {
		if after, ok := resetAfter(h.Get(reset), as, date); ok {
			s.resets = after
		}
	}
	return s, true
}

// number reads a count of points. Less than none is none; some APIs count below it.
func number(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if !isDecimal(text) {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n > 1e15 {
		return 0, false
	}
	return max(0, n), true
}

// longestReset is beyond what a header is believed to mean.
const longestReset = 32 * 24 * time.Hour

// resetAfter reads a reset header: seconds from now, seconds or milliseconds since 1970, or
// a date. Instants are measured against the answer's own Date (zero: unknown), never
// against our clock. What is past means now.
func resetAfter(text string, as ResetForm, date time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if !isDecimal(text) {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			at, err = http.ParseTime(text)
		}
		if err != nil || as != "" || date.IsZero() {
			return 0, false
		}
		return ahead(at.Sub(date))
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(n) > 1e15 {
		return 0, false
	}
	if as == "" {
		// As seconds from now the lesser of these would be three years.
		switch {
		case n >= 1e11:
			as = ResetUnixMS
		case n >= 1e8:
			as = ResetUnix
		default:
			as = ResetSeconds
		}
	}
	if as == ResetSeconds {
		return ahead(seconds(n))
	}
	if date.IsZero() {
		return 0, false
	}
	if as == ResetUnixMS {
		n /= 1000
	}
	return ahead(seconds(n - float64(date.Unix())))
}

// seconds returns a duration, or one that is too long for anything.
func seconds(n float64) time.Duration {
	if n > 2*longestReset.Seconds() {
		return 2 * longestReset
	}
	return time.Duration(max(n, 0) * float64(time.Second))
}

func ahead(after time.Duration) (time.Duration, bool) {
	return max(0, after), after <= longestReset
}
