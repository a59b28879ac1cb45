package oauth

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTroubleOnTheWayToTheTokenEndpointIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	for address, says := range map[string]string{
		srv.URL + "/token": "set tls.ca", "https://127.0.0.1:1/token": "refused the connection",
	} {
		cfg := &Config{Flow: ClientCredentials, TokenURL: address, ClientID: "id", ClientSecret: "canary-secret", Style: InHeader}
		_, err := NewEndpoint(cfg, NewTransport(nil)).Credentials(t.Context())
		if err == nil || !strings.Contains(err.Error(), "cannot be reached") || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("want %q, got %v", says, err)
		}
	}
}
