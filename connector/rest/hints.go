package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/connector/rest/canon"
)

var rateHeader = regexp.MustCompile(`(?i)rate-?limit|^retry-after$|quota|throttl|api-usage|limit-info|call-limit`)

// RateHeaders returns the header fields that speak of a budget of requests, each as
// "Name: value", sorted.
func RateHeaders(h http.Header) []string {
	var all []string
	for name, values := range h {
		if rateHeader.MatchString(name) {
			all = append(all, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(all)
	return all
}

var minuteHeader = regexp.MustCompile(`(?i)^x-rate-?limit-limit-(per-)?minute$|^x-rate-?limit-minute-limit$`)

// PerMinute returns the requests a minute that header fields grant, 0 if none says so.
func PerMinute(h http.Header) int {
	date, _ := http.ParseTime(h.Get("Date"))
	if s, ok := (&Budget{}).read(h, date); ok && s.window > 0 && s.limit > 0 {
		return int(s.limit * float64(time.Minute) / float64(s.window))
	}
	for name, values := range h {
		if n, err := strconv.Atoi(strings.TrimSpace(values[0])); err == nil && n > 0 && minuteHeader.MatchString(name) {
			return n
		}
	}
	return 0
}

// TakesUpper says whether a request has a place for the upper bound.
func (c *Config) TakesUpper() bool {
	f, err := newForm(c)
	return err == nil && (c.To != "" || f.needs.has(valueTo))
}

// An EchoHint is a place in an answer at which a bound is repeated.
type EchoHint struct{ Path string }

// maxEchoDepth is how deep an echo is looked for.
const maxEchoDepth = 8

// FindEcho looks in an answer, outside of arrays, for the instant that was sent in the
// query parameter called from. It returns where it is, or nothing.
func FindEcho(address, body, from string) []EchoHint {
	u, err := url.Parse(address)
	if err != nil || from == "" {
		return nil
	}
	sent := u.Query().Get(from)
	var doc any
	if sent == "" || json.Unmarshal([]byte(body), &doc) != nil {
		return nil
	}
	var found []EchoHint
	var walk func(v any, path string, depth int)
	walk = func(v any, path string, depth int) {
		switch v := v.(type) {
		case map[string]any:
			for name, below := range v {
				if depth < maxEchoDepth && name != "" && !strings.Contains(name, ".") {
					walk(below, strings.TrimPrefix(path+"."+name, "."), depth+1)
				}
			}
		case string:
			if sameInstant(v, sent) && canon.CheckPath(path) == nil {
				found = append(found, EchoHint{path})
			}
		case float64:
			if fmt.Sprintf("%.0f", v) == sent && len(sent) > 8 {
				found = append(found, EchoHint{path})
			}
		}
	}
	walk(doc, "", 0)
	if len(found) != 1 {
		return nil // it could be a link to the next page, or a coincidence
	}
	return found
}

func sameInstant(a, b string) bool {
	at, err := time.Parse(time.RFC3339Nano, a)
	if err != nil {
		return a == b && len(a) > 8
	}
	sent, err := time.Parse(time.RFC3339Nano, b)
	return err == nil && at.Equal(sent)
}
