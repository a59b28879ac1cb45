//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	"tributary/connector/handler"
)

// A handler that looks into its cache finds everything there that it has told so far, also
// between two responses of one pull.
func TestAHandlerReadsWhatItHasTold(t *testing.T) {
	t.Parallel()
	const rounds = 40
	var told, wrong atomic.Int64
	var last atomic.Value
	last.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req handler.Request
		_ = json.NewDecoder(r.Body).Decode(&req)
		if req.Cache == nil {
			http.Error(w, "no cache", http.StatusInternalServerError)
			return
		}
		n := told.Load()
		if got, err := countOf(req.Cache.URL + "/collections/posts/aggregate"); err != nil || got != n {
			wrong.Add(1)
			last.Store(fmt.Sprintf("after %d records were told the cache has %d: %v", n, got, err))
		}
		if n == rounds {
			fmt.Fprintf(w, `{"more":false,"next_state":%d}`, n)
			return
		}
		fmt.Fprintf(w, `{"more":true,"next_state":%d,"new_or_updated":[{"collection":"posts","record":{"id":%d}}]}`, n+1, n)
		told.Store(n + 1)
	}))
	t.Cleanup(server.Close)
	r := newHandlerRig(t, server.URL, "    replica: {path: "+filepath.Join(t.TempDir(), "cache.db")+"}\n", "posts")
	p := r.run()
	p.says(soon, "caught up")
	if told.Load() != rounds || wrong.Load() > 0 {
		t.Errorf("%d records were told; the cache was wrong %d times: %s", told.Load(), wrong.Load(), last.Load())
	}
}

// countOf asks a replica for the number of its records as they are, without a pull.
func countOf(url string) (int64, error) {
	resp, err := http.Post(url, "application/json", bytes.NewReader([]byte(`{"operation":"count","pull":false}`)))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Rows []struct{ Value int64 }
	}
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != http.StatusOK || len(answer.Rows) != 1 {
		return 0, fmt.Errorf("code %d: %s", resp.StatusCode, text)
	}
	return answer.Rows[0].Value, nil
}
