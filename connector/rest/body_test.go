package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tributary/connector"
)

func TestABodyThatIsNotWholeAndSoundIsRefused(t *testing.T) {
	t.Parallel()
	encoded := func(encoding string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", encoding)
			w.Write(body)
		}
	}
	good := zipped(`{"data":[]}`)
	bad := slices.Clone(good)
	bad[len(bad)-5] ^= 1
	for _, c := range []struct {
		name, reason string
		answer       http.HandlerFunc
	}{
		{"shorter than its Content-Length", "truncated", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte(`{"data":[]}`))
		}},
		{"empty", "truncated", write("")},
		{"a document that is cut", "truncated", write(`{"data":[{"id":1`)},
		{"gzip that is cut", "truncated", encoded("gzip", good[:len(good)-9])},
		{"gzip of nothing", "truncated", encoded("gzip", nil)},
		{"gzip with a wrong sum", "encoding", encoded("gzip", bad)},
		{"gzip that is none", "encoding", encoded("gzip", []byte(`{"data":[]}, no gzip`))},
		{"rubbish behind gzip", "encoding", encoded("gzip", append(slices.Clone(good), "rubbish rubbish"...))},
		{"an encoding that was not asked for", "encoding", encoded("br", good)},
		{"a bomb", "too_large", encoded("gzip", zipped(strings.Repeat(" ", 8<<20)))},
		{"too large", "too_large", write(strings.Repeat(" ", 1<<18+1))},
		{"too large, in chunks", "too_large", func(w http.ResponseWriter, _ *http.Request) {
			for range 300 {
				w.Write([]byte(strings.Repeat(" ", 1024)))
				w.(http.Flusher).Flush()
			}
		}},
		{"HTML by its type", "html", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte(`{"data":[]}`))
		}},
		{"HTML by its looks", "html", write(" \r\n<!DOCTYPE html><title>Log in</title>")},
		{"not JSON", "not_json", write(`OK`)},
		{"two documents", "trailing_data", write(`{"data":[]}{"data":[]}`)},
		{"too deep", "too_deep", write(`{"data":[` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `]}`)},
		{"far too deep", "too_deep", write(strings.Repeat("[", 100000))},
		{"invalid UTF-8", "encoding", write("{\"data\":[{\"id\":\"\xff\"}]}")},
		{"a name twice in a record", "duplicate_name", write(`{"data":[{"id":1,"x":{"a":1,"a":2}}]}`)},
		{"a name twice in the envelope", "duplicate_name", write(`{"data":[],"d\u0061ta":[]}`)},
		{"a name twice in metadata", "duplicate_name", write(`{"data":[],"metadata":{"a":1,"a":1}}`)},
		{"no records", "no_records", write(`{"error":"something"}`)},
		{"records that are no array", "no_records", write(`{"data":{"id":1}}`)},
		{"another case", "no_records", write(`{"DATA":[]}`)},
		{"an array", "no_records", write(`[{"data":[]}]`)},
		{"no Date", "no_date", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			write(`{"data":[]}`)(w, r)
		}},
		{"a Date that cannot be read", "no_date", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "yesterday")
			write(`{"data":[]}`)(w, r)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, plain, c.answer)
			says := []string{"refused"}
			if c.reason == "too_deep" {
				says = append(says, "64 levels", "`request.max_depth`") // what can be done about it
			}
			if c.reason == "no_records" {
				says = append(says, "`records: \"data\"`")
			}
			b.retry(connector.RetryBody, says...)
			for _, reason := range connector.RefusedReasons {
				want := 0
				if reason == c.reason {
					want = 1
				}
				if got := b.refused(reason); got != want {
					t.Errorf("%d bodies are counted as %s", got, reason)
				}
			}
		})
	}
}

func TestAGzippedBodyIsUnpacked(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(zipped(`{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}]}`))
	})
	for range 3 { // the reader is used again
		p, err := b.Fetch(context.Background(), everything)
		if err != nil || len(p.Records) != 1 || p.Records[0].ID != "1" {
			t.Fatalf("got %+v, %v", p, err)
		}
	}
}

func TestAPageStaysWhatItIsAfterTheNext(t *testing.T) {
	t.Parallel()
	body := `{"data":[{"id":"a","updated_at":"2024-01-01T00:00:00Z","v":1}]}`
	b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) { write(body)(w, r) })
	first, err := b.Fetch(context.Background(), everything)
	if err != nil {
		t.Fatal(err)
	}
	body = `{"data":[{"id":"b","updated_at":"2025-01-01T00:00:00Z","v":2}]}`
	if _, err := b.Fetch(context.Background(), everything); err != nil {
		t.Fatal(err)
	}
	r := first.Records[0]
	if r.ID != "a" || r.Stamp != "2024-01-01T00:00:00Z" || string(r.Value) != `{"id":"a","updated_at":"2024-01-01T00:00:00Z","v":1}` || cap(r.Value) != len(r.Value) {
		t.Errorf("got %+v", r)
	}
}
