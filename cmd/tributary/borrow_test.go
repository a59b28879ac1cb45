package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/connector/rest/oauth"
	"tributary/test/tokenserver"
)

// closing tells when it is closed.
type closing struct {
	io.Reader
	closed func()
}

func (c closing) Close() error { c.closed(); return nil }

// The answer to a token that is refused is told of when another one has been got for it:
// by then both must be known as secrets.
func TestATokenThatWasReplacedIsStillASecret(t *testing.T) {
	srv, err := tokenserver.Start(tokenserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	b := &borrower{oauth: &oauth.Config{
		Flow: oauth.ClientCredentials, TokenURL: srv.URL + "/token", ClientID: "client", ClientSecret: "client-secret-of-the-test", Style: oauth.InHeader,
	}}
	var sent, known []string
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Send(req, func(req *http.Request) (*http.Response, error) {
		sent = append(sent, strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
		if len(sent) > 1 {
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: closing{strings.NewReader(sent[0]), func() { known = b.Secrets() }}}, nil
	})
	if err != nil || resp.StatusCode != http.StatusOK || len(sent) != 2 || sent[0] == sent[1] {
		t.Fatalf("%v, %d tokens were sent: %q", err, len(sent), sent)
	}
	for _, token := range sent {
		if !slices.Contains(known, token) {
			t.Errorf("%s is not among %q", token, known)
		}
	}
}

// Who tries a config before the first run and the first login is told to log in, and not of
// a partition that is not there.
func TestBeforeTheFirstLoginThatIsWhatIsAskedFor(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	c := &cli{t: t, config: filepath.Join(t.TempDir(), "t.yaml")}
	text := fmt.Sprintf(`
group: crm
kafka: {brokers: [%q]}
offsets: {lanes: 2, replication: 1}
seal: {keys: [{id: k1, key: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}]}
sources:
  - name: shop
    url: http://127.0.0.1:1/v1
    auth: {oauth2: {flow: refresh_token, token_url: "http://127.0.0.1:1/token", client_id: me, client_secret: "${env:TOKEN}"}}
    cursor: {field: updated_at, from: since}
    order: {sort: updated_at}
    page: {param: page}
    records: data
    collections: [people]
`, kafka.ListenAddrs()[0])
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"preview", "people"}, {"check", "people"}} {
		code, stdout, stderr := c.run(args...)
		said := stdout + stderr
		if code == 0 || !strings.Contains(said, "source shop has no access token yet") || !strings.Contains(said, "tributary auth login shop") ||
			strings.Contains(said, "check the credential") {
			t.Errorf("%s: %d\n%s", args[0], code, said)
		}
	}
}
