package control_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
	"tributary/connector/control"
)

// TestWhatIsKeptOfAnswersIsBounded in number and bytes: beyond that the oldest are forgotten,
// and nobody is refused.
func TestWhatIsKeptOfAnswersIsBounded(t *testing.T) {
	const most, mostBytes = 4096, 16 << 20
	for name, c := range map[string]struct {
		requests, positions int
	}{
		"many":  {most + 1000, 0},
		"large": {100, 5000},
	} {
		t.Run(name, func(t *testing.T) {
			plane := three()
			positions := make([]connector.Position, c.positions)
			for i := range positions {
				positions[i] = connector.Position{Topic: strings.Repeat("t", 60), Partition: int32(i)}
			}
			plane.OnPull = func(_ context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
				return control.Pulled{Name: n, Positions: positions}, nil
			}
			h := control.NewHandler(plane, control.Config{Loopback: true})
			defer h.Close()
			pull := func(i int) int {
				t.Helper()
				w, r := newWriter(), newRequest(t, "POST", people+"/pull", "")
				key(fmt.Sprint(i))(r)
				if h.ServeHTTP(w, r); w.Code != http.StatusOK {
					t.Fatalf("request %d: status is %d: %s", i, w.Code, w.Body)
				}
				return w.Body.Len()
			}
			size := 0
			for i := range c.requests {
				size = pull(i)
			}
			kept, bytes := h.Remembered()
			if kept > most || bytes > mostBytes || kept == c.requests {
				t.Errorf("%d answers of %d bytes are kept", kept, bytes)
			}
			if min(most, mostBytes/size)-kept > 10 || bytes < kept*(size-1) {
				t.Errorf("only %d answers of %d bytes are kept, each of %d: %d bytes", kept, size, size, bytes)
			}
			if pull(c.requests - 1); len(plane.Calls()) != c.requests {
				t.Error("the newest was pulled again")
			}
			if pull(0); len(plane.Calls()) != c.requests+1 {
				t.Error("the oldest was not pulled again")
			}
		})
	}
}

func TestOfAnswersWhoseTimeIsOverNothingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := control.NewHandler(three(), control.Config{Loopback: true})
		defer h.Close()
		for i := range 10 {
			w, r := newWriter(), newRequest(t, "POST", people+"/pull", "")
			key(fmt.Sprint(i))(r)
			h.ServeHTTP(w, r)
			time.Sleep(2 * time.Minute)
		}
		if kept, bytes := h.Remembered(); kept > 6 || kept < 4 || bytes <= 0 || bytes > 6000 {
			t.Errorf("%d answers of %d bytes are kept", kept, bytes)
		}
	})
}
