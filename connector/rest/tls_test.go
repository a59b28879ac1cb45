package rest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	pair := a.sign(a.cert)
	a.key = pair.PrivateKey.(*ecdsa.PrivateKey)
	a.cert = pair.Leaf
	return a
}

// sign makes a certificate; the first one signs itself.
func (a *authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server returns a certificate for 127.0.0.1, changed.
func (a *authority) server(change func(*x509.Certificate)) tls.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "api"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"api.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	return a.sign(c)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// over returns a source that asks a server over TLS.
func over(t *testing.T, server, ours *tls.Config, answer http.HandlerFunc) *bundle {
	t.Helper()
	srv := httptest.NewUnstartedServer(dated(answer))
	srv.TLS, srv.EnableHTTP2 = server, true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the handshakes that are to fail
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return asking(t, srv, NewTransport(ours))
}

// asking returns a source that asks a server through next.
func asking(t *testing.T, srv *httptest.Server, next http.RoundTripper) *bundle {
	t.Helper()
	client := NewClient("test", Budget{}, next)
	t.Cleanup(client.CloseIdleConnections)
	s, err := New(plain(srv.URL+"/v2"), client, connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
	if err != nil {
		t.Fatal(err)
	}
	return &bundle{s, srv, t}
}

func TestTroubleWithTLSIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t, "Our CA"), newAuthority(t, "Another CA")
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	trusting := func() *tls.Config { return &tls.Config{RootCAs: ca.pool()} }
	for _, c := range []struct {
		name         string
		server, ours *tls.Config
		says         []string
	}{
		{"an authority that is not known", with(ca.server(nil)), nil, []string{"Our CA", "tls.ca"}},
		{"another authority than the one in tls.ca", with(stranger.server(nil)), trusting(), []string{"Another CA", "tls.ca"}},
		{"a certificate that has expired", with(ca.server(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })), trusting(), []string{"is valid from", "renew"}},
		{"a certificate for another name", with(ca.server(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere.test"} })), trusting(), []string{"elsewhere.test", "tls.server_name"}},
		{"a certificate for no name", with(ca.server(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, nil })), trusting(), []string{"another name"}},
		// In TLS 1.3 the refusal comes after the handshake, and a reset may overtake it.
		{"a server that wants a certificate of ours", &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.server(nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}, trusting(), []string{"tls.cert and tls.key"}},
		{"a server of old versions", &tls.Config{Certificates: []tls.Certificate{ca.server(nil)}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, trusting(), []string{"handshake", "TLS 1.2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			over(t, c.server, c.ours, write(`{"data":[]}`)).retry(connector.RetryNetwork, c.says...)
		})
	}
	t.Run("a server without TLS", func(t *testing.T) {
		t.Parallel()
		b := setup(t, plain, write(`{"data":[]}`))
		b.server.URL = strings.Replace(b.server.URL, "http:", "https:", 1)
		asking(t, b.server, NewTransport(nil)).retry(connector.RetryNetwork, "does not speak TLS")
	})
	t.Run("a server with TLS that is asked without", func(t *testing.T) {
		t.Parallel()
		b := over(t, with(ca.server(nil)), trusting(), write(`{"data":[]}`))
		b.server.URL = strings.Replace(b.server.URL, "https:", "http:", 1)
		asking(t, b.server, NewTransport(nil)).retry(connector.RetryRefused, "HTTP request to an HTTPS server")
	})
}

func TestAPrivateAuthorityAndACertificateOfOurs(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Our CA")
	server := &tls.Config{Certificates: []tls.Certificate{ca.server(nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}
	ours := &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.server(nil)}}
	b := over(t, server, ours, write(`{"data":[]}`))
	if _, err := b.Fetch(t.Context(), everything); err != nil {
		t.Error(err)
	}
}

// TestConnectionsAreKept counts them: a connection for each page costs a handshake for
// each page, and no test of what is in a page would see it.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Our CA")
	page := `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}]}`
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"pages", write(page)},
		{"pages in gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zipped(page))
		}},
		{"errors of the server", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"no"}`, 500) }},
		{"pages that are not there", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }},
		{"what is not JSON", write(`OK`)},
		{"redirects", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/people" {
				http.Redirect(w, r, "/v3/people?"+r.URL.RawQuery, http.StatusFound)
				return
			}
			write(page)(w, r)
		}},
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(c.name+" over "+proto, func(t *testing.T) {
				t.Parallel()
				var opened, requests atomic.Int32
				srv := httptest.NewUnstartedServer(dated(func(w http.ResponseWriter, r *http.Request) {
					if requests.Add(1); r.Proto != proto {
						t.Errorf("asked over %s", r.Proto)
					}
					c.answer(w, r)
				}))
				srv.TLS = &tls.Config{Certificates: []tls.Certificate{ca.server(nil)}}
				srv.EnableHTTP2 = proto == "HTTP/2.0"
				srv.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
					opened.Add(1)
					return ctx
				}
				srv.StartTLS()
				t.Cleanup(srv.Close)
				b := asking(t, srv, NewTransport(&tls.Config{RootCAs: ca.pool()}))
				for range 5 {
					b.Fetch(t.Context(), everything) // some are errors, which is the point
				}
				if opened.Load() != 1 || requests.Load() < 5 {
					t.Errorf("%d connections for %d requests", opened.Load(), requests.Load())
				}
			})
		}
	}
}
