package oauth

import (
	"context"
	"io"
	"net/http"
)

// Send sends a request with the access token. Where the API does not take it (401), it
// gets another one and sends the request once more, and leaves it at the answer to that:
// a token that was got for this reason and is not taken either is not exchanged again.
func (k *Keeper) Send(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	token, err := k.Token(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := send(Bearing(req, token))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		k.accepted(token)
		return resp, nil
	}
	fresh, err := k.replace(req.Context(), token)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	again := Bearing(req, fresh)
	if fresh == "" || !rewind(req, again) {
		return resp, nil
	}
	io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	resp.Body.Close()
	resp, err = send(again)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		k.reject(fresh)
	} else if err == nil {
		k.accepted(fresh)
	}
	return resp, err
}

// Bearing returns the request with an access token (RFC 6750 section 2.1).
func Bearing(req *http.Request, token string) *http.Request {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	return out
}

// rewind gives the second request the body of the first, if it can be had again.
func rewind(req, again *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return true
	}
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	again.Body = body
	return err == nil
}

// replace returns another access token than this one, "" if there is none to be had. That
// none came says more than the API's 401, which would have a collection wait for a person
// where the token endpoint is only out of order for a while.
func (k *Keeper) replace(ctx context.Context, token string) (string, error) {
	k.mu.Lock()
	attempts := k.attempts
	if k.state.Access == token && k.rejected != token {
		k.wanted = token
		select {
		case k.kick <- struct{}{}:
		default:
		}
	}
	for {
		access, changed, stuck, trouble := k.state.Access, k.changed, k.stuck, k.trouble
		waits := k.wanted == token && stuck == nil && k.attempts == attempts
		k.mu.Unlock()
		switch {
		case access != token:
			return access, nil
		case !waits && stuck != nil:
			return "", stuck
		case !waits:
			return "", trouble
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", trouble
		}
		k.mu.Lock()
	}
}

// reject notes that the API does not take a token that was got because it did not take
// the one before.
func (k *Keeper) reject(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forRefusal == token {
		k.rejected = token
	}
}

func (k *Keeper) accepted(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forRefusal == token {
		k.forRefusal, k.rejected = "", ""
	}
}
