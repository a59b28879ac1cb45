package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// takeBody reads the whole body, so that nothing is begun for one that does not come within
// that time, and puts it back.
func takeBody(w http.ResponseWriter, r *http.Request, limit int64, within time.Duration) *Problem {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if limit == 0 {
		return malformed("send none", "a %s has no body", r.Method)
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return newProblem(http.StatusUnsupportedMediaType, "media-type", "the body's Content-Type is not application/json", "send JSON, with Content-Type: application/json")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return newProblem(http.StatusUnsupportedMediaType, "media-type", "the body is encoded", "send it without Content-Encoding")
	}
	// A body that never ends would hold its connection for ever. The deadline is lifted
	// again: when it passed, the server would think that the client had gone. It stays for
	// one that did not come whole, whose rest the server reads before it answers.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(within))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		control.SetReadDeadline(time.Time{})
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body is larger than %d bytes", limit), "send less at once")
	case err != nil:
		return malformed("send all of it, within "+within.String(), "the body did not come whole")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// decode reads a JSON object of known members. No body is an empty object.
func decode(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	err = jsonv2.Unmarshal(body, v, jsonv2.RejectUnknownMembers(true))
	var semantic *jsonv2.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &semantic) && errors.Is(err, jsonv2.ErrUnknownName):
		return malformed("GET /v1/openapi.yaml has the members that there are", "the body has an unknown member: %s", semantic.JSONPointer)
	case errors.As(err, &semantic):
		return malformed("GET /v1/openapi.yaml says what it takes", "the body is not what is expected at %q", cmpOr(string(semantic.JSONPointer), "/"))
	}
	return notJSON(err)
}

// rawBody returns a body that is JSON, for who knows what it means.
func rawBody(r *http.Request) (json.RawMessage, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, malformed("send a JSON object", "there is no body")
	}
	v := jsontext.Value(body)
	d := jsontext.NewDecoder(bytes.NewReader(body))
	if _, err := d.ReadValue(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, notJSON(err)
	}
	if v.Kind() != '{' {
		return nil, malformed("send a JSON object", "the body is no JSON object")
	}
	return json.RawMessage(body), nil
}

func notJSON(err error) *Problem {
	where := ""
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		where = fmt.Sprintf(", at byte %d", at.ByteOffset)
	}
	return malformed("send one JSON object in UTF-8, each member once", "the body is not JSON%s", where)
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// A query is what stands behind the question mark, decoded strictly: what is not known
// there is not passed over, for then a filter with a typing error would show everything.
type query struct {
	values url.Values
	err    error
}

// queryOf reads the parameters of a request, of which there may be those.
func queryOf(r *http.Request, known ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &query{err: malformed("escape it as RFC 3986 has it", "the query of the URL cannot be read")}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, name) {
			return &query{err: malformed("there are "+strings.Join(known, ", "), "the query has an unknown parameter %q", clip(name))}
		}
	}
	return &query{values: values}
}

func (q *query) fail(remedy, format string, args ...any) {
	if q.err == nil {
		q.err = malformed(remedy, format, args...)
	}
}

// text returns a parameter that may stand once.
func (q *query) text(name string) string {
	v := q.values[name]
	if len(v) > 1 {
		q.fail("say it once", "the parameter %s is there %d times", name, len(v))
	}
	return q.values.Get(name)
}

// words returns a parameter that may be repeated, or hold several with commas, each one of
// those that are known; nil: any.
func (q *query) words(name string, known []string) []string {
	var words []string
	for _, v := range q.values[name] {
		for _, word := range strings.Split(v, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			if known != nil && !slices.Contains(known, word) {
				q.fail("there are "+strings.Join(known, ", "), "the parameter %s does not know %q", name, clip(word))
			}
			words = append(words, word)
		}
	}
	return words
}

func (q *query) number(name string, otherwise, low, high int) int {
	s := q.text(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		q.fail(fmt.Sprintf("it is a whole number from %d to %d", low, high), "the parameter %s is %q", name, clip(s))
		return otherwise
	}
	return n
}

func (q *query) truth(name string) bool {
	switch s := q.text(name); s {
	case "", "false":
		return false
	case "true":
		return true
	default:
		q.fail("it is true or false", "the parameter %s is %q", name, clip(s))
		return false
	}
}

// clip shortens what a client sent before it is sent back.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
