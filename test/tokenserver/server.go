package tokenserver

import (
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config says what the server is like for as long as it lives.
type Config struct {
	// ClientID and ClientSecret are the client's; "client" and "client-secret-of-the-test"
	// if empty.
	ClientID, ClientSecret string
	// Style is where the client must stand: "header" (the default), "body" or "json_body".
	Style string
	// Life is for how long an access token is good, an hour if 0.
	Life time.Duration
	// Grace is for how long a refresh token is still taken after its first use. Beyond it,
	// and with 0 at once, using one again takes the family back if Revoke is set, and is
	// refused in any case.
	Grace  time.Duration
	Revoke bool
	// Fixed does not rotate: answers have no refresh token.
	Fixed bool
	// ExpiresIn, if set, stands in answers as it is instead of the life: a text, null.
	ExpiresIn string
	// Seed draws the tokens and the faults.
	Seed uint64
	// Now is the server's clock; nil is time.Now.
	Now func() time.Time
}

// Hostility says what the server does to single requests, each with a probability.
type Hostility struct {
	// Lost acts and then hangs up; Dropped hangs up without having acted.
	Lost, Dropped float64
	// ServerError answers 500 or 503, half of them after having acted. Throttled answers
	// 429. Garbage answers 200 with what is no token, without having acted.
	ServerError, Throttled, Garbage float64
	// Redirect answers 307 to another host. Slow answers late, by up to Delay.
	Redirect, Slow float64
	Delay          time.Duration
	// Elsewhere is where redirects point.
	Elsewhere string
}

// Server is the authorization server. It is an http.Handler, safe for concurrent use.
type Server struct {
	cfg Config

	mu        sync.Mutex // guards all below
	rng       *rand.Rand
	hostility Hostility
	hook      func(step Step, refresh string)
	family    int // that of the account now; others are revoked
	refresh   map[string]*refreshToken
	access    map[string]*accessToken
	codes     map[string]*code
	devices   map[string]*code
	seed      string
	secrets   []string
	fired     map[string]int
	revoked   string // why the account was lost
	refusals  int    // in a row
	requests  []Request
}

type refreshToken struct {
	family int
	usedAt time.Time // zero: never
}

type accessToken struct {
	family int
	until  time.Time
}

// A Step is a point of a request at which a test may interfere.
type Step string

// The steps: before anything was done with the refresh token, and when the new one is
// drawn and not yet sent.
const (
	Received Step = "received"
	Acted    Step = "acted"
)

// Request is one that the token endpoint has seen.
type Request struct {
	At      time.Time
	Grant   string
	Refresh string
	// Status is what it was answered; 0: it was hung up on.
	Status int
	// Reused says that the refresh token had been used before.
	Reused bool
}

// New returns a friendly server with one account; Set makes it hostile.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ClientID == "" {
		cfg.ClientID, cfg.ClientSecret = "client", "client-secret-of-the-test"
	}
	if cfg.Life == 0 {
		cfg.Life = time.Hour
	}
	s := &Server{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x746f6b656e)), refresh: map[string]*refreshToken{}, access: map[string]*accessToken{},
		codes: map[string]*code{}, devices: map[string]*code{}, fired: map[string]int{}, secrets: []string{cfg.ClientSecret},
	}
	s.seed = s.draw("seed")
	s.refresh[s.seed] = &refreshToken{}
	return s
}

// draw makes a secret that needs encoding wherever it stands.
func (s *Server) draw(kind string) string {
	secret := fmt.Sprintf("%s/%016x+%016x=", kind, s.rng.Uint64(), s.rng.Uint64())
	s.secrets = append(s.secrets, secret)
	return secret
}

// Set changes what the server does from now on.
func (s *Server) Set(h Hostility) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hostility = h
}

// Hook is called at each step of each refresh, without a lock held.
func (s *Server) Hook(hook func(step Step, refresh string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// Seed returns a refresh token of the account that nobody has used, to be configured.
func (s *Server) Seed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seed
}

// Login begins the account anew, as a person does who logs in, and returns its refresh
// token. Every token of before is revoked.
func (s *Server) Login() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.family++
	s.revoked, s.refusals = "", 0
	s.seed = s.draw("seed")
	s.refresh[s.seed] = &refreshToken{family: s.family}
	return s.seed
}

// Valid says whether an API is to take an access token.
func (s *Server) Valid(access string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.access[access]
	return a != nil && a.family == s.family && s.cfg.Now().Before(a.until)
}

// RevokeAccess takes every access token back, and no refresh token.
func (s *Server) RevokeAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// Revoke takes the account back.
func (s *Server) Revoke(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoke(why)
}

func (s *Server) revoke(why string) {
	s.family++
	s.revoked = why
}

// Kept returns an error if the account was lost: its family was revoked, or the last
// refresh was refused, or none ever succeeded.
func (s *Server) Kept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.revoked != "":
		return fmt.Errorf("the account is lost: %s", s.revoked)
	case s.refusals > 0:
		return fmt.Errorf("the account is lost: the last %d refreshes were refused", s.refusals)
	case s.fired["refreshed"] == 0:
		return fmt.Errorf("no token was ever refreshed")
	}
	return nil
}

// Secrets returns every secret that the server knows.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// Fired counts what happened, by name: the faults, and refreshed, graced, reused, issued.
func (s *Server) Fired() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.fired)
}

// Requests returns what the token endpoint has seen.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// A Listener is a server on a port of its own.
type Listener struct {
	Server *Server
	// URL is the base of /token, /authorize and /device, "http://127.0.0.1:PORT".
	URL string

	http *http.Server
	done sync.WaitGroup
}

// Start serves a new server on a free port of the loopback.
func Start(cfg Config) (*Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Listener{Server: New(cfg), URL: "http://" + l.Addr().String()}
	s.http = &http.Server{Handler: s.Server, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.done.Go(func() { _ = s.http.Serve(l) }) // ends when Close closes the listener
	return s, nil
}

// Close ends all connections.
func (l *Listener) Close() error {
	err := l.http.Close()
	l.done.Wait()
	return err
}
