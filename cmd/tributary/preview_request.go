package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tributary/connector/rest"
)

// shownBody is how much of a body the text form shows; HAR has all that was kept.
const shownBody = 2000

// previewRequest asks and prints how that went instead of what was answered; shown takes out
// of a body what nobody may see. An error comes behind, for what led to it is what one wants
// to see.
func previewRequest(ctx context.Context, a *app, shown func(body string) string, asJSON bool, ask func(context.Context) error) error {
	var all []rest.Exchange
	failed := ask(rest.WithTrace(ctx, func(x rest.Exchange) {
		if x.Status == http.StatusOK {
			x.Body = shown(x.Body)
		}
		all = append(all, x)
	}))
	if asJSON {
		if err := printJSON(a.stdout, harOf(a.version, all)); err != nil {
			return err
		}
		return failed
	}
	for _, x := range all {
		printExchange(a.stdout, x)
	}
	return failed
}

func printExchange(w io.Writer, x rest.Exchange) {
	fmt.Fprintf(w, "> %s %s\n", x.Method, x.URL)
	printHeaders(w, ">", x.Sent)
	if x.RequestBody != "" {
		fmt.Fprintf(w, "%s\n", excerptOf(x.RequestBody))
	}
	if x.Status == 0 {
		fmt.Fprintf(w, "! no answer: %s\n", x.Err)
	} else {
		fmt.Fprintf(w, "\n< %s %d %s\n", x.Proto, x.Status, http.StatusText(x.Status))
		printHeaders(w, "<", x.Header)
		fmt.Fprintf(w, "%s\n", excerptOf(x.Body))
	}
	how := "a new connection"
	if x.Reused {
		how = "a connection that was there"
	}
	if x.Remote != "" {
		how += " to " + x.Remote
	}
	fmt.Fprintf(w, "\n%s\n", how)
	if x.Status > 0 {
		size := fmt.Sprintf("%d bytes received", x.Received)
		if x.Decoded != x.Received {
			size += fmt.Sprintf(", %d unpacked", x.Decoded)
		}
		if x.Cut {
			size += ", and more"
		}
		fmt.Fprintln(w, size)
	}
	fmt.Fprintln(w, timingsText(x.Timings))
}

func printHeaders(w io.Writer, sign string, h http.Header) {
	for _, name := range slices.Sorted(keysOf(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(w, "%s %s: %s\n", sign, harmless(name), harmless(value))
		}
	}
}

func keysOf(h map[string][]string) iter.Seq[string] { return maps.Keys(h) }

func excerptOf(body string) string {
	cut := len(body) > shownBody
	text := harmless(strings.ToValidUTF8(body[:min(len(body), shownBody)], "\uFFFD"))
	if cut {
		text += fmt.Sprintf("… (%d bytes; -o json shows more)", len(body))
	}
	return text
}

func timingsText(t rest.Timings) string {
	parts := []string{}
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"waiting for a connection", t.Blocked}, {"DNS", t.DNS}, {"connect", t.Connect}, {"TLS", t.TLS}, {"send", t.Send}, {"first byte", t.Wait}, {"receive", t.Receive}} {
		if p.d > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f ms", p.name, milliseconds(p.d)))
		}
	}
	return fmt.Sprintf("%.1f ms: %s", milliseconds(t.Total()), strings.Join(parts, ", "))
}
