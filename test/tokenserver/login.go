package tokenserver

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
)

// A code is a login on its way: of a browser, or of a device.
type code struct {
	challenge, redirect string
	allowed             bool
}

// serveAuthorize is a person who allows everything at once.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != s.cfg.ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" {
		http.Error(w, "this is no request for a code with PKCE and a state", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	c := s.draw("code")
	s.codes[c] = &code{challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
	s.mu.Unlock()
	back := redirect.Query()
	back.Set("code", c)
	back.Set("state", q.Get("state"))
	redirect.RawQuery = back.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusFound)
}

// redeem turns a code into tokens, once. The mutex is held.
func (s *Server) redeem(form url.Values) (map[string]any, int) {
	c := s.codes[form.Get("code")]
	delete(s.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if c == nil || c.redirect != form.Get("redirect_uri") || c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return refusal("invalid_grant", "code or verifier is wrong"), http.StatusBadRequest
	}
	return s.login(), http.StatusOK
}

// login begins the account anew. The mutex is held.
func (s *Server) login() map[string]any {
	s.family++
	s.revoked, s.refusals = "", 0
	s.fired["login"]++
	return s.issue(s.family, true)
}

func (s *Server) serveDevice(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.draw("device")
	s.devices[c] = &code{}
	s.mu.Unlock()
	send(w, http.StatusOK, map[string]any{
		"device_code": c, "user_code": "ABCD-EFGH", "verification_uri": "http://" + r.Host + "/allow", "expires_in": 60, "interval": 1,
	})
}

// AllowDevices is the person who enters the codes of all devices that wait.
func (s *Server) AllowDevices() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.devices {
		c.allowed = true
	}
	return len(s.devices)
}

// poll answers a device that asks whether it is allowed by now. The mutex is held.
func (s *Server) poll(device string) (map[string]any, int) {
	switch c := s.devices[device]; {
	case c == nil:
		return refusal("expired_token", "no such device"), http.StatusBadRequest
	case !c.allowed:
		return refusal("authorization_pending", "not yet"), http.StatusBadRequest
	}
	delete(s.devices, device)
	return s.login(), http.StatusOK
}
