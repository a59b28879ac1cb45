//go:build unix

// Package pocketbase runs a real PocketBase for tests. It is built once for a machine by
// `go install`, and kept in the user's cache directory.
package pocketbase

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/test/child"
	"tributary/test/chronicle"
	"tributary/test/hostile"
)

// Version is the version of PocketBase that is run.
const Version = "v0.39.0"

const (
	buildTimeout = 10 * time.Minute
	startTimeout = 60 * time.Second
	user         = "root@example.com"
	password     = "a-password-of-the-test"
)

// Available returns nil where PocketBase can be run, else an error of one line. The first
// call of a machine builds it; within a process the answer is remembered.
func Available() error {
	_, err := findBinary()
	return err
}

var findBinary = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	dir, err := child.Cached(ctx, "pocketbase-"+Version, func(ctx context.Context, dir string) error {
		cmd := exec.CommandContext(ctx, "go", "install", "github.com/pocketbase/pocketbase/examples/base@"+Version)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build PocketBase %s: %w: %s", Version, err, child.LastLine(out))
		}
		return nil
	})
	return filepath.Join(dir, "base"), err
})

// Server is a PocketBase with one collection, and a chronicle.Store that writes to it.
type Server struct {
	URL, Token string
	// Collection has the fields ver, note, touched, created and updated, the last two
	// stamped by the server.
	Collection string

	proc *child.Process
}

// Start starts a PocketBase that lives until the end of the test. Where that cannot be
// the test is skipped, see [child.Require].
func Start(t testing.TB, collection string) *Server {
	t.Helper()
	child.Require(t, "PocketBase", Available())
	s := &Server{Collection: collection}
	if err := s.start(t); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Server) start(t testing.TB) error {
	binary, err := findBinary()
	if err != nil {
		return err
	}
	dir := t.TempDir()
	if out, err := exec.Command(binary, "superuser", "upsert", user, password, "--dir", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("pocketbase superuser: %w: %s", err, child.LastLine(out))
	}
	ports, err := child.FreePorts(1)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	s.URL = "http://" + address
	if s.proc, err = child.Serve(t, exec.Command(binary, "serve", "--dev=false", "--http", address, "--dir", dir), s.URL+"/api/health", startTimeout); err != nil {
		return fmt.Errorf("pocketbase: %w", err)
	}
	return s.prepare(t.Context())
}

// prepare makes the collection, and lets many writes share a transaction.
func (s *Server) prepare(ctx context.Context) error {
	var session struct{ Token string }
	err := s.call(ctx, "POST", "/api/collections/_superusers/auth-with-password", map[string]any{"identity": user, "password": password}, &session)
	if err != nil {
		return err
	}
	s.Token = session.Token
	if err := s.call(ctx, "PATCH", "/api/settings", map[string]any{"batch": map[string]any{"enabled": true, "maxRequests": 500, "timeout": 30}}, nil); err != nil {
		return err
	}
	type field = map[string]any
	return s.call(ctx, "POST", "/api/collections", map[string]any{
		"name": s.Collection, "type": "base",
		// A rule that is a filter: who has no good token is shown an empty list, not refused.
		"listRule": `@request.auth.id != ""`,
		"fields": []field{
			{"name": "ver", "type": "number"}, {"name": "note", "type": "text"}, {"name": "touched", "type": "text"},
			{"name": "created", "type": "autodate", "onCreate": true},
			{"name": "updated", "type": "autodate", "onCreate": true, "onUpdate": true},
		},
	}, nil)
}

// NewID returns an id of 15 characters, as PocketBase wants them, in no order.
func (s *Server) NewID(n int) string {
	return fmt.Sprintf("%05d%010d", n*7919%10_007, n)
}

// Do does the writes in one transaction, by the batch API.
func (s *Server) Do(ctx context.Context, writes []chronicle.Write) ([]time.Time, error) {
	type request struct {
		Method string         `json:"method"`
		URL    string         `json:"url"`
		Body   map[string]any `json:"body,omitempty"`
	}
	var requests []request
	for _, w := range writes {
		r := request{URL: "/api/collections/" + s.Collection + "/records/" + w.ID, Method: "PATCH", Body: map[string]any{"ver": w.Ver, "note": chronicle.Note(w.Content)}}
		switch w.Op {
		case hostile.Insert:
			r.Method, r.URL = "POST", strings.TrimSuffix(r.URL, "/"+w.ID)
			r.Body["id"] = w.ID
		case hostile.Touch:
			r.Body["touched"] = fmt.Sprint(w.Ver)
		case hostile.Remove:
			r.Method, r.Body = "DELETE", nil
		}
		requests = append(requests, r)
	}
	var answers []struct{ Body struct{ Updated string } }
	if err := s.call(ctx, "POST", "/api/batch", map[string]any{"requests": requests}, &answers); err != nil {
		return nil, err
	}
	stamps := make([]time.Time, len(writes))
	for i, w := range writes {
		if w.Op == hostile.Remove {
			continue
		}
		var err error
		if stamps[i], err = time.Parse("2006-01-02 15:04:05.000Z", answers[i].Body.Updated); err != nil {
			return nil, err
		}
	}
	return stamps, nil
}

// Rows finds the records in an answer.
func Rows(body []byte) ([][]byte, error) {
	var page struct{ Items []json.RawMessage }
	err := json.Unmarshal(body, &page)
	var rows [][]byte
	for _, item := range page.Items {
		rows = append(rows, item)
	}
	return rows, err
}

// call sends a request as the superuser.
func (s *Server) call(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("pocketbase: %s %s: %s: %s", method, path, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
