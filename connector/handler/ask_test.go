package handler

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
)

// TestWhoAsksDuringABackoffHasTheHandlerCalledAtOnce, also while pushes come: they end the same
// sleep.
func TestWhoAsksDuringABackoffHasTheHandlerCalledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		ill.Store(true)
		h := &calls{delta: func(Request) (Response, error) {
			if ill.Load() {
				return Response{}, &connector.RetryError{Reason: connector.RetryRefused, Err: errors.New("403")}
			}
			return Response{}, nil
		}}
		b := newBundle(t, h)
		r := b.running()
		ask := func() (took time.Duration, err error) {
			began := time.Now()
			ticket, err := b.pulls.Ask(connector.Reason{Name: connector.ReasonManual})
			if err == nil {
				_, err = ticket.Wait(t.Context())
			}
			return time.Since(began), err
		}
		time.Sleep(20 * time.Minute)
		if _, err := r.Push(t.Context(), PushRequest{ID: "p"}); err != nil {
			t.Fatal(err)
		}
		before := len(h.seen())
		if took, err := ask(); err == nil || !strings.Contains(err.Error(), "403") || took != 0 || len(h.seen()) != before+1 {
			t.Errorf("told %v after %s, called %d times", err, took, len(h.seen())-before)
		}
		ill.Store(false)
		time.Sleep(5 * time.Second)
		if took, err := ask(); err != nil || took != 0 {
			t.Errorf("once it is well: told %v after %s", err, took)
		}
	})
}
