package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAfter caps how long a server can make us wait: a value beyond it is a mistake,
// and would stop a collection for days without a sign.
const maxAfter = time.Hour

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3). A date is
// measured against the answer's own Date (zero: unknown) and never against our
// clock. Fractions are seen in the wild; what is negative means now.
func retryAfter(value string, date time.Time) (after time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if isDecimal(value) {
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil && seconds == 0 {
			return 0, false
		}
		// Compared before it is converted: the float may be infinite.
		if seconds > maxAfter.Seconds() {
			return maxAfter, true
		}
		return max(0, time.Duration(seconds*float64(time.Second))), true
	}
	at, err := http.ParseTime(value)
	if err != nil || date.IsZero() {
		return 0, false
	}
	return min(max(0, at.Sub(date)), maxAfter), true
}

// isDecimal leaves out what ParseFloat takes too: inf, nan, 0x1p4, 1_000.
func isDecimal(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	return s != "" && s[0] != '+' && s[0] != '-' && s != "." && strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") <= 1
}

// restOfMinute is how long the server's calendar minute still lasts, rounded up for
// Date has whole seconds. Budgets by the minute, Salesloft's for one, begin anew
// with it.
func restOfMinute(date time.Time) time.Duration {
	if date.IsZero() {
		return 0
	}
	return time.Duration(60-date.Second()) * time.Second
}
