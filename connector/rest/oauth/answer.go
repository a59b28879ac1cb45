package oauth

import (
	"encoding/json"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Answer is what a token endpoint gave.
type Answer struct {
	// Access is empty where the answer has none that can be sent in a header.
	Access string
	// Refresh is empty where the answer has none: the old one goes on.
	Refresh string
	// Life is for how long Access is good; 0 where that is not said, or makes no sense.
	Life time.Duration
	// Code is the error code where it is an error.
	Code string
}

const (
	maxAnswer = 64 << 10
	maxToken  = 16 << 10
	maxLife   = 10 * 365 * 24 * time.Hour
)

// parseAnswer reads what it can. It never fails: a refresh token beside rubbish is still
// the only one there is.
func parseAnswer(contentType string, body []byte) (a Answer) {
	member := members(contentType, body)
	a.Code = member("error")
	if a.Access = member("access_token"); !sendable(a.Access) {
		a.Access = ""
	}
	if a.Refresh = member("refresh_token"); len(a.Refresh) > maxToken {
		a.Refresh = ""
	}
	a.Life = life(member("expires_in"))
	return a
}

// members returns what looks a member up as text: of JSON, or of a form, which some
// servers answer with.
func members(contentType string, body []byte) func(string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "application/x-www-form-urlencoded" || kind == "text/plain" && !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		form, _ := url.ParseQuery(string(body))
		return form.Get
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return func(string) string { return "" }
	}
	return func(name string) string {
		var text string
		if json.Unmarshal(object[name], &text) == nil {
			return text
		}
		var number json.Number
		if json.Unmarshal(object[name], &number) == nil {
			return number.String()
		}
		return ""
	}
}

// life reads seconds; whatever they cannot be is as if it was not said.
func life(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, maxLife.Seconds()) * float64(time.Second))
}

// sendable says whether a token can stand in a header (RFC 6750 section 2.1 allows less).
func sendable(token string) bool {
	return token != "" && len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// A class says what a failure means for the token.
type class int

const (
	unknown class = iota // the server may have taken the token
	refused              // the token is not good any more
	client               // the client is wrong, and the token untouched
	later                // the token is untouched, and may be sent later
)

// codes are the error codes that are known, and may be shown: RFC 6749 section 5.2, 8628
// section 3.5, and what GitHub says instead. Any other may be anything, a secret too.
var codes = map[string]class{
	"invalid_grant": refused, "bad_refresh_token": refused, "invalid_token": refused, "expired_token": refused, "access_denied": refused,
	"invalid_client": client, "unauthorized_client": client, "invalid_request": client, "unsupported_grant_type": client,
	"invalid_scope": client, "incorrect_client_credentials": client, "invalid_target": client,
	"temporarily_unavailable": later, "slow_down": later, "authorization_pending": later,
	"server_error": unknown,
}
