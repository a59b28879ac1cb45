//go:build unix

package child

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RequireEnv is the environment variable that, set to 1, turns the tests that would be
// skipped for want of a server into failures.
const RequireEnv = "TRIBUTARY_REQUIRE_SERVERS"

// Require skips the test, in one line that names it and the reason, where err says that
// the server cannot be had; with [RequireEnv] set to 1 it fails it.
func Require(t testing.TB, server string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv(RequireEnv) == "1":
		t.Fatalf("%s=1, but no real %s: %v", RequireEnv, server, err)
	default:
		t.Skipf("not shown, for want of a real %s: %s: %v", server, t.Name(), err)
	}
}

// Serve starts a server that lives until the end of the test, and returns when it answers
// a GET of url with status 200. The end of its log is logged when the test has failed.
func Serve(t testing.TB, cmd *exec.Cmd, url string, within time.Duration) (*Process, error) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		return nil, err
	}
	p, err := Start(cmd, log)
	log.Close() // the child has its own descriptor
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		p.Stop(5 * time.Second)
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("the end of the log of %s:\n%s", filepath.Base(cmd.Path), text[max(0, len(text)-2000):])
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		last := answers(ctx, url)
		if last == nil {
			return p, nil
		}
		if p.Ended() {
			return nil, errors.New("the server ended")
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the server does not answer: %w", last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// LastLine returns the last line of what a command printed: where it says what went wrong.
func LastLine(out []byte) string {
	s := strings.TrimSpace(string(out))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
