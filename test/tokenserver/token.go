package tokenserver

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// ServeHTTP answers POST /token, GET /authorize, and POST /device.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/token":
		s.serveToken(w, r)
	case "/authorize":
		s.serveAuthorize(w, r)
	case "/device":
		s.serveDevice(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	form, err := s.form(r)
	if err != "" {
		s.note(Request{Grant: form.Get("grant_type"), Refresh: form.Get("refresh_token"), Status: 401})
		fail(w, http.StatusUnauthorized, "invalid_client", err)
		return
	}
	refresh := form.Get("refresh_token")
	fault := s.fault()
	s.step(Received, refresh)
	if s.before(w, r, fault, form) {
		return
	}
	answer, status := s.grant(form)
	s.step(Acted, refresh)
	if fault == "lost" {
		s.note(Request{Grant: form.Get("grant_type"), Refresh: refresh})
		panic(http.ErrAbortHandler)
	}
	if fault == "server_error_late" {
		status, answer = 503, map[string]any{"error": "temporarily down, had " + refresh}
	}
	s.note(Request{Grant: form.Get("grant_type"), Refresh: refresh, Status: status})
	send(w, status, answer)
}

// form reads what was sent, in the one style that is wanted.
func (s *Server) form(r *http.Request) (url.Values, string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || r.Method != http.MethodPost {
		return nil, "a POST is wanted"
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form := url.Values{}
	if kind == "application/json" {
		var object map[string]string
		if json.Unmarshal(body, &object) != nil {
			return form, "no JSON"
		}
		for name, value := range object {
			form.Set(name, value)
		}
	} else if form, err = url.ParseQuery(string(body)); err != nil {
		return form, "no form"
	}
	id, secret, basic := r.BasicAuth()
	style := "body"
	switch {
	case kind == "application/json":
		style = "json_body"
	case basic:
		style = "header"
	}
	if want := s.cfg.Style; want != "" && want != style {
		return form, fmt.Sprintf("the client must stand in the %s and stands in the %s", want, style)
	}
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if id != s.cfg.ClientID || secret != s.cfg.ClientSecret {
		return form, "unknown client " + id + " with " + secret // as real ones do
	}
	return form, ""
}

func (s *Server) step(step Step, refresh string) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(step, refresh)
	}
}

func (s *Server) note(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.At = s.cfg.Now()
	s.requests = append(s.requests, r)
}

// fault draws at most one.
func (s *Server) fault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hostility
	for _, f := range []struct {
		p    float64
		name string
	}{
		{h.Lost, "lost"}, {h.Dropped, "dropped"}, {h.ServerError / 2, "server_error"}, {h.ServerError / 2, "server_error_late"},
		{h.Throttled, "throttled"}, {h.Garbage, "garbage"}, {h.Redirect, "redirect"}, {h.Slow, "slow"},
	} {
		if f.p > 0 && s.rng.Float64() < f.p {
			s.fired[f.name]++
			return f.name
		}
	}
	return ""
}

// before serves the faults that act on nothing. Each repeats what it was sent.
func (s *Server) before(w http.ResponseWriter, r *http.Request, fault string, form url.Values) bool {
	s.mu.Lock()
	h := s.hostility
	delay := time.Duration(0)
	if fault == "slow" && h.Delay > 0 {
		delay = time.Duration(s.rng.Int64N(int64(h.Delay)))
	}
	s.mu.Unlock()
	sent := form.Encode() + " " + form.Get("refresh_token")
	status := 0
	switch fault {
	case "dropped":
		s.note(Request{Grant: form.Get("grant_type"), Refresh: form.Get("refresh_token")})
		panic(http.ErrAbortHandler)
	case "server_error":
		status = http.StatusInternalServerError
		fail(w, status, sent, sent)
	case "throttled":
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", "1")
		fail(w, status, "slow_down", sent)
	case "garbage":
		status = http.StatusOK
		_, _ = io.WriteString(w, "<html>log in first: "+sent+"</html>")
	case "redirect":
		status = http.StatusTemporaryRedirect
		http.Redirect(w, r, h.Elsewhere+"/token?"+form.Encode(), status)
	case "slow":
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
		return false
	default:
		return false
	}
	s.note(Request{Grant: form.Get("grant_type"), Refresh: form.Get("refresh_token"), Status: status})
	return true
}

// grant does what a request asks for.
func (s *Server) grant(form url.Values) (map[string]any, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
		s.fired["refreshed"]++
		return s.issue(s.family, false), http.StatusOK
	case "refresh_token":
		return s.exchange(form.Get("refresh_token"))
	case "authorization_code":
		return s.redeem(form)
	case "urn:ietf:params:oauth:grant-type:device_code":
		return s.poll(form.Get("device_code"))
	default:
		return refusal("unsupported_grant_type", grant), http.StatusBadRequest
	}
}

// exchange rotates a refresh token.
func (s *Server) exchange(refresh string) (map[string]any, int) {
	now := s.cfg.Now()
	t := s.refresh[refresh]
	switch {
	case t == nil || t.family != s.family:
		s.refusals++
		return refusal("invalid_grant", "no such token: "+refresh), http.StatusBadRequest
	case t.usedAt.IsZero() || s.cfg.Fixed:
	case now.Sub(t.usedAt) <= s.cfg.Grace:
		s.fired["graced"]++
	default:
		s.fired["reused"]++
		s.refusals++
		if s.cfg.Revoke {
			s.revoke(fmt.Sprintf("a refresh token was used again %s after its first use", now.Sub(t.usedAt).Round(time.Millisecond)))
		}
		return refusal("invalid_grant", "used before: "+refresh), http.StatusBadRequest
	}
	if t.usedAt.IsZero() {
		t.usedAt = now
	}
	s.fired["refreshed"]++
	s.refusals = 0
	return s.issue(t.family, !s.cfg.Fixed), http.StatusOK
}

// issue makes an access token and, where asked, a refresh token beside it.
func (s *Server) issue(family int, refresh bool) map[string]any {
	access := s.draw("access")
	s.access[access] = &accessToken{family: family, until: s.cfg.Now().Add(s.cfg.Life)}
	answer := map[string]any{"access_token": access, "token_type": "bearer", "scope": "read", "expires_in": int(s.cfg.Life.Seconds())}
	if s.cfg.ExpiresIn != "" {
		answer["expires_in"] = json.RawMessage(s.cfg.ExpiresIn)
	}
	if refresh {
		token := s.draw("refresh")
		s.refresh[token] = &refreshToken{family: family}
		answer["refresh_token"] = token
	}
	return answer
}

func refusal(code, description string) map[string]any {
	return map[string]any{"error": code, "error_description": description}
}

func fail(w http.ResponseWriter, status int, code, description string) {
	send(w, status, refusal(code, description))
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone is no concern of the server
}
