package main

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

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
