package oauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/test/tokenserver"
)

// A collection waits long for a person, and short for a token endpoint that is restarted.
func TestWhereNoTokenComesForOneThatTheAPIRefusesThatIsSaid(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  tokenserver.Hostility
		reason connector.RetryReason
		says   string
	}{
		{"out of order", tokenserver.Hostility{ServerError: 1}, connector.RetryServer, "the token endpoint answered 5"},
		{"too many", tokenserver.Hostility{Throttled: 1}, connector.RetryThrottled, "429"},
		{"login", tokenserver.Hostility{}, connector.RetryUnauthorized, "auth login crm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, tokenserver.Config{Life: time.Hour, Grace: time.Hour, Revoke: true}, func(r *rig) {
				k := r.keeper("one")
				stop := r.live(k)
				defer stop()
				a := &api{valid: r.server.Valid}
				get := func() (*http.Response, error) {
					req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://api.test/", nil)
					return k.Send(req, a.send)
				}
				if resp, err := get(); err != nil || resp.StatusCode != 200 {
					r.t.Fatal(resp, err)
				}
				time.Sleep(time.Minute)
				r.server.RevokeAccess()
				if r.server.Set(c.fault); c.fault == (tokenserver.Hostility{}) {
					r.server.Revoke("a person has")
				}
				_, err := get()
				var again *connector.RetryError
				if !errors.As(err, &again) || again.Reason != c.reason || !strings.Contains(err.Error(), c.says) {
					r.t.Fatalf("%v, not %s of %q", err, c.reason, c.says)
				}
				if strings.Contains(r.said(), "token_works=true") {
					r.t.Error("the token that the API has refused is said to work")
				}
				if c.reason == connector.RetryUnauthorized {
					return
				}
				r.server.Set(tokenserver.Hostility{})
				time.Sleep(time.Minute)
				if resp, err := get(); err != nil || resp.StatusCode != 200 {
					r.t.Error(resp, err)
				}
			})
		})
	}
}
