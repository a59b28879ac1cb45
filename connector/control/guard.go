package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// Guard decides who is answered.
type Guard struct {
	closed      bool // nobody
	certificate bool // who has none is not answered
	hasToken    bool
	token       [sha256.Size]byte
	// hosts are the names by which one may come; nil: any.
	hosts  map[string]bool
	origin *http.CrossOriginProtection
}

// NewGuard returns the guard of a config, of which it takes who may ask: Token, Hosts,
// Loopback and Certificate.
func NewGuard(cfg Config) *Guard {
	g := &Guard{
		hasToken: cfg.Token != "", token: sha256.Sum256([]byte(cfg.Token)),
		closed: cfg.Token == "" && !cfg.Loopback,
		origin: http.NewCrossOriginProtection(), certificate: cfg.Certificate,
	}
	if !g.hasToken || len(cfg.Hosts) > 0 {
		g.hosts = map[string]bool{"127.0.0.1": true, "localhost": true, "::1": true}
		for _, host := range cfg.Hosts {
			g.hosts[plainHost(host)] = true
		}
	}
	return g
}

// Refuse returns why a request is not answered, nil if it is. What it looks at first is
// what costs least to send by mistake.
func (g *Guard) Refuse(r *http.Request) *Problem {
	switch {
	case g.closed:
		return newProblem(http.StatusForbidden, "no-token", "the connector listens beyond this host and has no token, so that anybody could operate it",
			`set one in its config (control: {token: "${env:TRIBUTARY_CONTROL_TOKEN}"}, at least 16 bytes), or let it listen on 127.0.0.1`)
	case !g.knownHost(r.Host):
		// A page of another site whose name was made to point to this address is the
		// same origin to a browser: only the name gives it away.
		return newProblem(http.StatusForbidden, "host", "the connector is not asked by this name",
			"use 127.0.0.1 or localhost, or add the name to the config (control: {hosts: [NAME]})")
	case g.certificate && !Certified(r):
		return newProblem(http.StatusForbidden, "no-certificate", "the connector answers nobody who shows no certificate",
			"show one of an authority in control.tls.client_ca: `--cert` and `--key` of tributary's commands and of curl, tls_config of Prometheus")
	case g.hasToken && !g.knows(r):
		return newProblem(http.StatusUnauthorized, "unauthorized", "the request has no token, or another one",
			"send the token of the config (control.token): Authorization: Bearer TOKEN; a browser sends it as the password, with any name")
	case g.origin.Check(r) != nil, embedded(r):
		return newProblem(http.StatusForbidden, "cross-origin", "a page of another origin may neither operate the connector nor look into it",
			"ask from the connector's own page, or not from a browser")
	}
	return nil
}

// Certified says whether a request came over a connection whose client has shown a
// certificate of an authority that the listener trusts.
func Certified(r *http.Request) bool { return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 }

// embedded says that a page of another origin has something of ours loaded, as an image, a
// frame or a script. It could read nothing of it, but have Kafka read, and listen to events
// until nobody else may. A person who follows a link from there asks for a document.
func embedded(r *http.Request) bool {
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	return (site == "cross-site" || site == "same-site") && dest != "" && dest != "document"
}

// knownHost looks at the name alone, and at the port where an entry has one.
func (g *Guard) knownHost(host string) bool {
	return g.hosts == nil || g.hosts[plainHost(host)] || g.hosts[plainName(host)]
}

// plainHost is a host, with its port if it has one, as it is compared.
func plainHost(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil {
		return net.JoinHostPort(plainName(name), port)
	}
	return plainName(host)
}

// plainName is a host without its port.
func plainName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// knows compares digests, so that the time it takes says nothing of the token, not even
// how long it is.
func (g *Guard) knows(r *http.Request) bool {
	sent, ok := sentToken(r)
	digest := sha256.Sum256([]byte(sent))
	return subtle.ConstantTimeCompare(digest[:], g.token[:]) == 1 && ok
}

func sentToken(r *http.Request) (string, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// challenge says how to send a token (RFC 9110, section 11.6.1).
func challenge(h http.Header) {
	h.Add("WWW-Authenticate", `Bearer realm="tributary"`)
	h.Add("WWW-Authenticate", `Basic realm="tributary", charset="UTF-8"`)
}

// setHeaders tells browsers what not to do with an answer. A page may say otherwise of its
// Content-Security-Policy.
func setHeaders(h http.Header, isAPI bool) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	if isAPI {
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	}
}
