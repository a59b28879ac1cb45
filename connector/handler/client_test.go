package handler

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
)

// newClient returns a client of a server.
func newClient(t *testing.T, address string, set func(*rest.Config)) *Client {
	t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	cfg := rest.Config{Base: base, Timeout: time.Minute, MaxBody: 1 << 20, MaxCompressed: 1 << 20, MaxDepth: 64, Auth: &rest.Auth{Bearer: "s3cret-token"}}
	if set != nil {
		set(&cfg)
	}
	client := rest.NewClient("test", rest.Budget{}, nil)
	t.Cleanup(client.CloseIdleConnections)
	c, err := NewClient(cfg, client, connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACallIsAPostOfTheRequest(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(body))
		w.Header()["Date"] = nil // no rule needs it
		fmt.Fprint(w, `{"more":false}`)
	}))
	defer server.Close()
	c := newClient(t, server.URL+"/hooks/crm", nil)
	req := Request{ID: "r-1", Source: "crm", PreviousState: json.RawMessage(`{"a":"<1>"}`), AffectedCollections: []string{"posts"}, Deadline: time.Unix(0, 0).UTC(), DeadlineMS: 9, Attempt: 2,
		Reasons: []connector.Reason{{Name: connector.ReasonSchedule, At: time.Unix(1, 0).UTC()}}, Cache: &Cache{URL: "http://x/v1/sources/crm", TokenEnv: "T"}}
	if _, err := c.Delta(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dump(t.Context(), Request{}); err != nil {
		t.Fatal(err)
	}
	want := `POST /hooks/crm/delta Bearer s3cret-token application/json {"previous_state":{"a":"<1>"},"id":"r-1","source":"crm","sequence":0,"affected_collections":["posts"],"reasons":[{"name":"schedule","at":"1970-01-01T00:00:01Z"}],"cache":{"url":"http://x/v1/sources/crm","token_env":"T"},"deadline":"1970-01-01T00:00:00Z","deadline_ms":9,"attempt":2}`
	if got[0] != want {
		t.Errorf("sent\n%s, want\n%s", got[0], want)
	}
	if !strings.HasPrefix(got[1], "POST /hooks/crm/dump ") || !strings.Contains(got[1], `{"previous_state":null,`) {
		t.Errorf("sent %s", got[1])
	}
}

func TestWhatAHandlerAnswersIsNamed(t *testing.T) {
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>sign in</html>")
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, `{"detail":"s3cret-token is not welcome"}`)
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	packed()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		reason connector.RetryReason
		after  time.Duration
		says   string
	}{
		"a web page":          {html, connector.RetryBody, 0, "it is a web page"},
		"not JSON":            {text("hello"), connector.RetryBody, 0, "it is not JSON"},
		"a part of JSON":      {text(`{"more":`), connector.RetryBody, 0, "it ends in the middle"},
		"two documents":       {text(`{"more":false}{"more":false}`), connector.RetryBody, 0, "something follows the JSON document"},
		"nothing":             {text(""), connector.RetryBody, 0, "it ends in the middle"},
		"no more":             {text(`{"next_state":1}`), connector.RetryBody, 0, `it has no "more"`},
		"too deep":            {text(strings.Repeat("[", 11_000)), connector.RetryBody, 0, "more than 64 levels, which no config allows: let the handler nest less"},
		"100 MB":              {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeros{}, 100<<20) }, connector.RetryBody, 0, "more than 1048576 bytes as received: let the handler return less at once"},
		"a bomb":              {bomb, connector.RetryBody, 0, "more than 1048576 bytes as unpacked"},
		"cut":                 {cut, connector.RetryBody, 0, "it was cut before its end"},
		"500":                 {status(500), connector.RetryServer, 0, "the handler answered 500 Internal Server Error ([hidden] is not welcome)"},
		"503":                 {status(503, "Retry-After", "7"), connector.RetryThrottled, 7 * time.Second, "503"},
		"429":                 {status(429, "Retry-After", "3"), connector.RetryThrottled, 3 * time.Second, "429"},
		"408":                 {status(408), connector.RetryTimeout, 0, "408"},
		"401":                 {status(401), connector.RetryUnauthorized, 0, "the credential is missing or wrong"},
		"404":                 {status(404), connector.RetryRefused, 0, "check handler.url"},
		"422":                 {status(422), connector.RetryRefused, 0, "mend the handler"},
		"204":                 {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, connector.RetryRefused, 0, "only 200 comes with a response"},
		"elsewhere":           {status(307, "Location", "http://elsewhere.example/delta"), connector.RetryRefused, 0, "set handler.url to the handler's final address"},
		"a closed connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, connector.RetryNetwork, 0, "closed the connection without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			_, err := newClient(t, server.URL, nil).Delta(t.Context(), Request{})
			var again *connector.RetryError
			if !errors.As(err, &again) {
				t.Fatalf("answered %v", err)
			}
			if again.Reason != c.reason || again.After != c.after {
				t.Errorf("tried again as %s after %v", again.Reason, again.After)
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("says %q, want %q in it", err, c.says)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(packed())
}

// packed is packed once and before it is asked for: to do it takes seconds on a busy machine.
var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 20<<20))
	_ = z.Close()
	return b.Bytes()
})

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `{"more":false`)
}

func TestAHandlerThatIsGoneHasADumpBeginAnew(t *testing.T) {
	server := httptest.NewServer(Serve(&calls{dump: func(Request) (Response, error) {
		return Response{}, &connector.AnewError{Err: errors.New("the token has expired")}
	}}))
	defer server.Close()
	_, err := newClient(t, server.URL, nil).Dump(t.Context(), Request{})
	var anew *connector.AnewError
	if !errors.As(err, &anew) || !strings.Contains(err.Error(), "the token has expired") {
		t.Errorf("answered %v", err)
	}
}

func TestAHandlerThatHangsIsLeft(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	_, err := newClient(t, server.URL, func(c *rest.Config) { c.Timeout = 50 * time.Millisecond }).Delta(t.Context(), Request{})
	var again *connector.RetryError
	if !errors.As(err, &again) || again.Reason != connector.RetryTimeout || !strings.Contains(err.Error(), "handler.timeout") {
		t.Errorf("answered %v", err)
	}
}

// What is served of a handler in Go is what the client reads of one.
func TestAHandlerInGoIsServed(t *testing.T) {
	want := Response{More: true, NextState: json.RawMessage(`{"at":[1,"<&>"]}`), NewOrUpdated: []Entry{entry("posts", `{"id":"a","b":1.50}`)}, Deleted: []Deletion{{"posts", "a/b"}}}
	var got Request
	server := httptest.NewServer(Serve(&calls{delta: func(r Request) (Response, error) { got = r; return want, nil }}))
	defer server.Close()
	sent := Request{ID: "x", PreviousState: json.RawMessage(`{"n":12345678901234567890}`), Attempt: 3, Reasons: []connector.Reason{{Name: connector.ReasonAfterUpdate, Patch: json.RawMessage(`{"a":1}`)}}}
	resp, err := newClient(t, server.URL, nil).Delta(context.Background(), sent)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(resp)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("came back as %s, want %s", a, b)
	}
	if string(got.PreviousState) != string(sent.PreviousState) || got.Attempt != 3 || string(got.Reasons[0].Patch) != `{"a":1}` {
		t.Errorf("arrived as %+v", got)
	}
}

func TestARequestThatIsNotOneIsRefusedByTheServer(t *testing.T) {
	server := httptest.NewServer(Serve(&calls{}))
	defer server.Close()
	resp, err := http.Post(server.URL+"/delta", "application/json", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), `"detail"`) {
		t.Errorf("answered %d %s", resp.StatusCode, body)
	}
}
