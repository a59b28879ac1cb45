package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector/control/controltest"
)

// A secured is a connector that speaks TLS at both addresses, as `run` starts it.
type secured struct {
	t         *testing.T
	dir       string
	config    string
	cfg       *Config
	log       lockedBuffer
	reloader  *tlsReloader
	metrics   *prometheus.Registry
	ca        *authority
	listen    string
	connectAt string
}

// secure starts one whose certificate is for names; clients must show one if certified is set.
func secure(t *testing.T, certified bool, names ...string) *secured {
	t.Helper()
	s := &secured{t: t, dir: t.TempDir(), ca: newAuthority(t, "authority of the test")}
	s.ca.issue(s.dir, "server", leaf{names: names, expires: time.Hour})
	s.ca.write(s.dir, "ca.crt")
	more := ""
	if certified {
		more = ", client_ca: ca.crt"
	}
	s.listen, s.connectAt = freeAddress(t), freeAddress(t)
	s.config = filepath.Join(s.dir, "t.yaml")
	text := fmt.Sprintf("listen: %s\nconnect_listen: %s\ncontrol: {token: %s, tls: {cert: server.crt, key: server.key%s}}\n%s", s.listen, s.connectAt, controlToken, more,
		head+"sources: [{name: s, url: \"https://x\", cursor: {field: u, from: f}, collections: [people]}]\n")
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.cfg, err = LoadConfig(s.config, testEnv); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	plane := smallPlane()
	api := newControl(s.cfg, plane, log)
	t.Cleanup(api.Close)
	s.metrics = prometheus.NewRegistry()
	serve, err := newListening(s.cfg, log, s.metrics, false)
	if err != nil {
		t.Fatal(err)
	}
	s.reloader = serve.reloader
	for key, srv := range map[string]*http.Server{
		"listen":         newServer(s.metrics, &health{ready: map[int32]bool{0: true}}, api, s.cfg.Control.wantsCertificate()),
		"connect_listen": newConnectServer(s.cfg, controltest.New(controltest.Collection("eu", "people")), log),
	} {
		listen := s.listen
		if key == "connect_listen" {
			listen = s.connectAt
		}
		stop, err := serve.start(key, listen, srv)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	}
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get asks with the token, over a connection of its own.
func (s *secured) get(url string, cfg *tls.Config) (int, string) {
	s.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	cfg.RootCAs = pool
	client := newDirectClient(&http.Transport{DisableKeepAlives: true, TLSClientConfig: cfg})
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("any", controlToken)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func TestBothListenersSpeakTLS(t *testing.T) {
	s := secure(t, false, "127.0.0.1")
	for _, at := range []string{s.listen + "/metrics", s.listen + "/readyz", s.listen + "/v1/info", s.listen + "/", s.connectAt + "/connectors"} {
		if code, body := s.get("https://"+at, &tls.Config{}); code != http.StatusOK {
			t.Errorf("%s: %d %s", at, code, body)
		}
		if code, body := s.get("http://"+at, &tls.Config{}); code != http.StatusBadRequest || !strings.Contains(body, plainToTLS) {
			t.Errorf("%s over plain HTTP: %d %s", at, code, body)
		}
		if code, body := s.get("https://"+at, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); code != 0 || !strings.Contains(body, "protocol version") {
			t.Errorf("%s over TLS 1.1: %d %s", at, code, body)
		}
	}
}

func TestWhoShowsNoCertificateIsAnsweredByProbesAlone(t *testing.T) {
	s := secure(t, true, "127.0.0.1")
	other := newAuthority(t, "another authority")
	s.ca.issue(s.dir, "client", leaf{expires: time.Hour, client: true})
	other.issue(s.dir, "stranger", leaf{expires: time.Hour, client: true})
	load := func(name string) *tls.Config {
		pair, err := tls.LoadX509KeyPair(filepath.Join(s.dir, name+".crt"), filepath.Join(s.dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		// The server names its authorities, and a client has to show it another's all the same.
		return &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }}
	}
	for at, without := range map[string]int{
		s.listen + "/livez": 200, s.listen + "/readyz": 200, s.listen + "/metrics": 403, s.listen + "/v1/info": 403, s.listen + "/": 403, s.connectAt + "/connectors": 403,
	} {
		code, body := s.get("https://"+at, &tls.Config{})
		if code != without || without == 403 && !strings.Contains(body, "certificate") {
			t.Errorf("%s without a certificate: %d %s", at, code, body)
		}
		if code, body := s.get("https://"+at, load("client")); code != 200 {
			t.Errorf("%s with a certificate: %d %s", at, code, body)
		}
		if code, body := s.get("https://"+at, load("stranger")); code != 0 {
			t.Errorf("%s with another authority's: %d %s", at, code, body)
		}
	}
}

// shown returns the serial number of the certificate that the listener shows next, after its
// files were looked at.
func (s *secured) shown() string {
	s.t.Helper()
	s.reloader.mu.Lock()
	s.reloader.looked = time.Time{}
	s.reloader.mu.Unlock()
	c, err := tls.Dial("tcp", s.listen, &tls.Config{InsecureSkipVerify: true}) // it is looked at, no more
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestACertificateIsReadAgainWhenItsFilesChange(t *testing.T) {
	s := secure(t, false, "127.0.0.1")
	first := s.shown()
	second := s.ca.issue(s.dir, "server", leaf{names: []string{"127.0.0.1"}, expires: time.Hour}).SerialNumber.String()
	if got := s.shown(); got != second || got == first {
		t.Fatalf("shown is %s, want the new one, %s; the one before was %s", got, second, first)
	}
	if log := s.log.String(); !strings.Contains(log, "read again") || strings.Contains(log, "ERROR") {
		t.Errorf("the log says\n%s", log)
	}
}

// TestAScrapeSaysWhenTheCertificateExpires: also one over a connection that is older than it.
func TestAScrapeSaysWhenTheCertificateExpires(t *testing.T) {
	s := secure(t, false, "127.0.0.1")
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	client := newDirectClient(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}})
	first := s.shown()
	scraped := func(want *x509.Certificate) {
		t.Helper()
		s.reloader.mu.Lock()
		s.reloader.looked = time.Time{}
		s.reloader.mu.Unlock()
		resp, err := client.Get("https://" + s.listen + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s (%v)", resp.StatusCode, body, err)
		}
		if resp.TLS.PeerCertificates[0].SerialNumber.String() != first {
			t.Fatal("the scraper connected again: this shows nothing")
		}
		for name, at := range map[string]time.Time{"expiry": want.NotAfter, "not_before": want.NotBefore} {
			line := fmt.Sprintf("\ntributary_control_certificate_%s_timestamp_seconds %g\n", name, float64(at.Unix()))
			if !strings.Contains(string(body), line) {
				t.Errorf("the metrics have no %q:\n%s", line, body)
			}
		}
	}
	scraped(s.reloader.inUse.pair.Leaf)
	scraped(s.ca.issue(s.dir, "server", leaf{names: []string{"127.0.0.1"}, expires: 47 * time.Hour}))
}

func TestABrokenCertificateLeavesTheOneBeforeInUse(t *testing.T) {
	s := secure(t, true, "127.0.0.1")
	first := s.shown()
	cert, key, ca := filepath.Join(s.dir, "server.crt"), filepath.Join(s.dir, "server.key"), filepath.Join(s.dir, "ca.crt")
	good := map[string][]byte{}
	for _, f := range []string{cert, key, ca} {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		good[f] = text
	}
	for _, c := range []struct {
		name string
		do   func()
		says string
	}{
		{"half written", func() { os.WriteFile(cert, good[cert][:len(good[cert])/2], 0o600) }, "do not go together"},
		{"another's key", func() {
			s.ca.issue(s.dir, "other", leaf{expires: time.Hour})
			os.Rename(filepath.Join(s.dir, "other.key"), key)
		}, "do not go together"},
		{"gone", func() { os.Remove(cert) }, "control.tls.cert cannot be read"},
		{"no authority", func() { os.WriteFile(ca, []byte("none"), 0o600) }, "control.tls.client_ca holds no certificate"},
		{"expired", func() { s.ca.issue(s.dir, "server", leaf{names: []string{"127.0.0.1"}, expires: -time.Hour}) }, "control.tls.cert has expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(s.log.String())
			c.do()
			for range 3 {
				if got := s.shown(); got != first {
					t.Errorf("shown is %s, want the one before, %s", got, first)
				}
			}
			said := s.log.String()[before:]
			if n := strings.Count(said, "level=ERROR"); n != 1 || !strings.Contains(said, c.says) {
				t.Errorf("%d errors, want one that says %q:\n%s", n, c.says, said)
			}
			for f, text := range good {
				if err := os.WriteFile(f, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.shown(); got != first {
				t.Errorf("shown is %s when all is as it was", got)
			}
		})
	}
	if strings.Contains(s.log.String(), "PRIVATE") {
		t.Error("the log shows a key")
	}
}

func TestACertificateThatExpiresInUseIsSaidOnce(t *testing.T) {
	s := secure(t, false, "127.0.0.1")
	s.reloader.mu.Lock()
	s.reloader.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	s.reloader.mu.Unlock()
	s.shown()
	s.shown()
	if n := strings.Count(s.log.String(), "the certificate in use has expired"); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, s.log.String())
	}
}

func TestATokenOverPlainHTTPBeyondThisHostIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		listen, connect, tls string
		warnings             int
	}{
		{"127.0.0.1:0", "", "", 0}, {"127.0.0.1:0", "localhost:0", "", 0}, {"0.0.0.0:0", "", "", 1}, {"0.0.0.0:0", ":0", "", 2},
		{"127.0.0.1:0", "0.0.0.0:1", "", 1}, {"0.0.0.0:0", "0.0.0.0:1", "yes", 0},
	} {
		cfg := &Config{Listen: c.listen, ConnectListen: c.connect, Control: ControlConfig{Token: controlToken}}
		if c.tls != "" {
			cfg.Control.TLS = &ListenTLS{}
		}
		var log lockedBuffer
		cfg.warnOfPlainTokens(slog.New(slog.NewTextHandler(&log, nil)))
		if n := strings.Count(log.String(), "level=WARN"); n != c.warnings || strings.Contains(log.String(), controlToken) {
			t.Errorf("%+v: %d warnings:\n%s", c, n, log.String())
		}
		cfg.Control.Token = ""
		var none lockedBuffer
		if cfg.warnOfPlainTokens(slog.New(slog.NewTextHandler(&none, nil))); none.String() != "" {
			t.Errorf("%+v without a token: %s", c, none.String())
		}
	}
}

// TestAnExpiredCertificateStopsNoConnector: who looks is told, and to poll goes on.
func TestAnExpiredCertificateStopsNoConnector(t *testing.T) {
	s := secure(t, false, "127.0.0.1")
	s.ca.issue(s.dir, "server", leaf{names: []string{"127.0.0.1"}, expires: -time.Hour})
	cfg, err := LoadConfig(s.config, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	cfg.Listen = freeAddress(t)
	serve, err := newListening(cfg, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry(), false)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := serve.start("listen", cfg.Listen, newServer(prometheus.NewRegistry(), &health{}, nil, false))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if !strings.Contains(log.String(), "the certificate in use has expired") {
		t.Errorf("the log says\n%s", log.String())
	}
	code, _, errs := tributary(t, "healthcheck", "--url", "https://"+cfg.Listen+"/livez", "--ca", filepath.Join(s.dir, "ca.crt"))
	if code != 1 || !strings.Contains(errs, "its certificate has expired, at ") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestWhatIsWrongWithTLSOfTheListenersIsNamed(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, "authority")
	ca.issue(dir, "a", leaf{expires: time.Hour})
	ca.issue(dir, "b", leaf{expires: time.Hour})
	file := func(name string) string { return filepath.Join(dir, name) }
	for tls, says := range map[string]string{
		"true":                          "control.tls wants a map",
		"{}":                            `control.tls needs "cert"`,
		"{cert: " + file("a.crt") + "}": `control.tls needs "key"`,
		"{cert: gone.crt, key: " + file("a.key") + "}":                                                "t.yaml:1:23: control.tls.cert cannot be read",
		"{cert: " + file("a.crt") + ", key: " + file("b.key") + "}":                                   "control.tls has a cert and a key that do not go together",
		"{cert: " + file("a.crt") + ", key: " + file("a.key") + ", client_ca: " + file("a.key") + "}": "control.tls.client_ca holds no certificate",
		"{crt: " + file("a.crt") + ", key: " + file("a.key") + "}":                                    `did you mean "cert"?`,
	} {
		_, err := parseTest(controlConfig("{tls: " + tls + "}"))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: want %q, got %v", tls, says, err)
		}
	}
	cfg := mustParse(t, controlConfig("{tls: {cert: "+file("a.crt")+", key: "+file("a.key")+"}}"))
	if cfg.Control.TLS == nil || cfg.Control.wantsCertificate() {
		t.Errorf("decoded as %+v", cfg.Control)
	}
}
