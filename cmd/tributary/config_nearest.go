package main

import (
	"fmt"
	"slices"
	"strings"
)

// suggestion ends a message about a name that is not known: with the one that was
// probably meant, or with all there are.
func suggestion(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	if len(known) == 0 {
		return ""
	}
	return "; there are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// homes are keys that are often written beside the map they belong in.
var homes = map[string]string{
	"bearer": "auth", "basic": "auth", "header": "auth", "oauth2": "auth", "token": "control", "hosts": "control",
	"brokers": "kafka", "sasl": "kafka", "schedule": "triggers", "on_restart": "triggers", "time_zone": "triggers",
	"field": "cursor", "from": "cursor", "sweep": "deletions", "feed": "deletions", "per_minute": "budget",
}

// elsewhere ends a message about a key that is not known where it stands: with the place where
// it would be, or else with a suggestion.
func elsewhere(key string, known []string) string {
	first, rest, dotted := strings.Cut(key, ".")
	switch home := homes[key]; {
	case dotted && slices.Contains(known, first):
		return fmt.Sprintf("; write it as a map: {%s: {%s: …}}", first, strings.ReplaceAll(rest, ".", ": {")+strings.Repeat("}", strings.Count(rest, ".")))
	case home != "" && slices.Contains(known, home):
		return fmt.Sprintf("; it belongs into %q: {%s: {%s: …}}", home, home, key)
	}
	return suggestion(key, known)
}

// nearest returns the known name within a few typing errors of name, or "".
func nearest(name string, known []string) string {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
	}
	best, bestDistance := "", 0
	if len(name) > 64 {
		return "" // not a typing error, and comparing takes time
	}
	var longer []string
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := levenshtein(plain(name), plain(k))
		if d <= min(2, max(1, len(k)/3)) && (best == "" || d < bestDistance) {
			best, bestDistance = k, d
		}
		if len(plain(name)) >= 3 && strings.HasPrefix(plain(k), plain(name)) {
			longer = append(longer, k)
		}
	}
	if best == "" && len(longer) == 1 {
		return longer[0] // user is short for username
	}
	return best
}

// levenshtein counts the letters to insert, delete, replace or swap with the next one
// to make a into b.
func levenshtein(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(replace, rows[i][j-1]+1, rows[i-1][j]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
