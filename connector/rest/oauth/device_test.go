package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/test/tokenserver"
)

func TestADeviceWhoseCodeNobodyEntersSaysThat(t *testing.T) {
	for name, wait := range map[string]time.Duration{"the code ends": time.Hour, "the command ends": 5 * time.Second} {
		in(t, tokenserver.Config{Life: time.Hour}, func(r *rig) {
			r.cfg.DeviceURL = "http://login.test/device"
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			_, err := NewEndpoint(&r.cfg, r).Device(ctx, func(string, string) {})
			if err == nil || !strings.Contains(err.Error(), "nobody entered the code") {
				r.t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// silence is a server that does not answer.
type silence struct{}

func (silence) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	case <-time.After(time.Hour):
		return nil, errors.New("asked for an hour")
	}
}

func TestADeviceEndpointThatDoesNotAnswerIsWaitedForNoLongerThanTold(t *testing.T) {
	in(t, tokenserver.Config{Life: time.Hour}, func(r *rig) {
		r.cfg.DeviceURL = "http://login.test/device"
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		_, err := NewEndpoint(&r.cfg, silence{}).Device(ctx, func(string, string) { r.t.Error("a code is shown") })
		if took := time.Since(began); err == nil || took > 6*time.Second {
			r.t.Errorf("%v after %s", err, took)
		}
	})
}
