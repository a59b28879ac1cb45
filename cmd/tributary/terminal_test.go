package main

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/rest"
)

// TestNothingThatOthersSaySteersTheTerminal: an API, a record or a server may say anything.
func TestNothingThatOthersSaySteersTheTerminal(t *testing.T) {
	for _, evil := range []string{"\x1b[31m", "\x1b]0;title\x07", "\u009b31m", "\u009d0;title\u009c", "\r", "\b", "\x7f", "\u202e", "\u2066"} {
		said := "before" + evil + "after"
		when := time.Now()
		c := control.Collection{
			Name: control.Name{Source: "shop", Collection: "orders"}, State: "backoff", Why: said, Remedy: said,
			LastError: &control.Failure{At: when, Text: said},
		}
		sheet := &sheet{now: when}
		var out bytes.Buffer
		if err := sheet.detail(&out, &c); err != nil {
			t.Fatal(err)
		}
		_, rows := sheet.table([]control.Collection{c})
		out.WriteString(strings.Join(rows[0], "\n"))
		printExchange(&out, rest.Exchange{Method: "GET", URL: "http://api", Status: 200, Header: http.Header{"X-Said": {said}}, RequestBody: said, Body: said})
		report(&out, &exitError{exitFailed, errors.New(said)})
		report(&out, errors.New(said))
		(&checkReport{a: &app{stdout: &out}, off: t.Context().Err}).fail("collection", said, "")
		(&editor{a: &app{stdout: &out, stderr: &out}}).told(CollectionConfig{}, 0, []connector.PassedOver{{ID: said, Why: said}}, nil, false)
		out.WriteString(eventLine(control.Event{Type: control.EventPull}, []byte(`{"seconds":1,"error":"`+strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`, "\r", `\r`, "\b", `\b`).Replace(said)+`"}`)))
		if at := strings.IndexAny(out.String(), "\x1b\x07\u009b\u009d\u009c\r\b\x7f\u202e\u2066"); at >= 0 {
			t.Errorf("%q reaches the terminal: %q", evil, out.String()[max(0, at-60):min(out.Len(), at+20)])
		}
		if n := strings.Count(out.String(), "before"); n < 11 {
			t.Errorf("only %d of the texts are there:\n%s", n, &out)
		}
	}
}
