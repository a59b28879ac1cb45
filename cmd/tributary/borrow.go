package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"tributary/cmd/tributary/vault"
	"tributary/connector"
	"tributary/connector/rest"
	"tributary/connector/rest/oauth"
)

// A borrower gets access tokens for a command that asks an API and runs no lane: it reads
// the one that is kept in the offsets topic, without fencing anybody, and never sends a
// refresh token, which is the lane's alone. Client credentials it uses itself.
type borrower struct {
	cfg    *Config
	oauth  *oauth.Config
	tls    TLSConfig
	mu     sync.Mutex
	access string
	until  time.Time // zero: not known
	had    []string  // the last ones before, of which answers may still be told
}

var _ rest.Tokens = (*borrower)(nil)

// Send sends a request with the token that there is, and once more if there is another
// one by then.
func (b *borrower) Send(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	token, err := b.token(req.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := send(oauth.Bearing(req, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || req.Body != nil && req.GetBody == nil {
		return resp, err
	}
	other, err := b.token(req.Context(), token)
	if err != nil || other == token {
		return resp, nil // the API has said what is wrong
	}
	again := oauth.Bearing(req, other)
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil
		}
	}
	resp.Body.Close()
	return send(again)
}

// token returns one that is good, and another one than not if there is any.
func (b *borrower) token(ctx context.Context, not string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.access != "" && b.access != not && (b.until.IsZero() || time.Now().Before(b.until)) {
		return b.access, nil
	}
	get := b.kept
	if b.oauth.Flow == oauth.ClientCredentials {
		get = b.own
	}
	if err := get(ctx); err != nil {
		var again *connector.RetryError
		if errors.As(err, &again) {
			return "", err
		}
		return "", &connector.RetryError{Reason: connector.RetryUnauthorized, Err: err}
	}
	return b.access, nil
}

func (b *borrower) own(ctx context.Context) error {
	a, err := oauth.NewEndpoint(b.oauth, oauth.NewTransport(b.tls.config)).Credentials(ctx)
	switch {
	case err != nil:
		return err
	case a.Access == "":
		return errors.New("the token endpoint gave no access token that can be sent")
	}
	until := time.Time{}
	if a.Life > 0 {
		until = time.Now().Add(a.Life)
	}
	b.take(a.Access, until)
	return nil
}

// take puts a token in the place of the one before. The mutex is held.
func (b *borrower) take(access string, until time.Time) {
	const most = 16
	if b.access != "" && b.access != access {
		b.had = append(b.had[max(0, len(b.had)+1-most):], b.access)
	}
	b.access, b.until = access, until
}

func (b *borrower) kept(ctx context.Context) error {
	source := b.oauth.Source
	remedy := fmt.Sprintf("`tributary run` gets one, or `tributary auth login %s`; only the connector that runs sends the refresh token", source)
	kafka, err := b.cfg.Kafka.Opts()
	if err != nil {
		return err
	}
	kept, err := readAuth(ctx, kafka, b.cfg, source)
	if err != nil {
		return fmt.Errorf("read the access token of source %s: %w", source, err)
	}
	st, err := vault.Sealer{Ring: b.cfg.Seal, Topic: b.cfg.Offsets.Topic}.Open(kept, source)
	switch {
	case err != nil:
		return fmt.Errorf("the token of source %s cannot be read: %w", source, err)
	case st == nil || st.Access == "":
		return fmt.Errorf("source %s has no access token yet: %s", source, remedy)
	case !st.Expiry.IsZero() && time.Now().After(st.Expiry):
		return fmt.Errorf("the access token of source %s has ended at %s: %s", source, st.Expiry.Format(time.RFC3339), remedy)
	}
	b.take(st.Access, st.Expiry)
	return nil
}

// Secrets returns the token of now and the last ones: what the API answered to one is
// shown after another has taken its place.
func (b *borrower) Secrets() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{b.oauth.ClientSecret, b.oauth.Seed, b.access}, b.had...)
}
