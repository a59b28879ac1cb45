// Package network names what goes wrong below HTTP (DNS, proxies, certificates,
// handshakes, connections), with what a person can do about it.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// dialTimeout is what the connector waits for a connection or a handshake.
const dialTimeout = 10 * time.Second

// A ProxyError is the status with which a proxy refuses to connect us. net/http makes
// of it the bare text of the status, which anyone might have said.
type ProxyError struct{ Status int }

func (e *ProxyError) Error() string { return http.StatusText(e.Status) }

// RefusedByProxy is the OnProxyConnectResponse of a transport whose errors are explained.
func RefusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &ProxyError{resp.StatusCode}
	}
	return nil
}

// Explain says what went wrong on the way to a host before there was an answer, and what
// a person can do. The cause must have no address of a request in it, whose query may
// hold a credential: no *url.Error. What Explain returns may be as long as a certificate's
// names are.
func Explain(cause error, host string) string {
	// The most particular comes first: a certificate is within a handshake, a refusal
	// within the way to a proxy.
	for _, name := range []func(error, string) string{proxyTrouble, nameTrouble, certificateTrouble, tlsTrouble, dialTrouble} {
		if text := name(cause, host); text != "" {
			return text
		}
	}
	return "the network failed: " + cause.Error()
}

func proxyTrouble(err error, host string) string {
	var refused *ProxyError
	var op *net.OpError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("the proxy wants a credential to let us to %s (407): put name and password into HTTPS_PROXY", host)
	case errors.As(err, &refused):
		return fmt.Sprintf("the proxy does not let us to %s (%d %s): it has to allow that host, or NO_PROXY names it", host, refused.Status, http.StatusText(refused.Status))
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return fmt.Sprintf("the proxy of HTTPS_PROXY or HTTP_PROXY cannot be reached (%v): correct it, or name %s in NO_PROXY", op.Err, host)
	}
	return ""
}

func nameTrouble(err error, _ string) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsNotFound:
		return fmt.Sprintf("DNS knows no host %s: check url, and which DNS server this machine asks", dns.Name)
	case dns.IsTimeout:
		return fmt.Sprintf("the DNS server does not answer about %s: check this machine's network", dns.Name)
	}
	return fmt.Sprintf("DNS failed for %s (%s): check this machine's DNS server", dns.Name, dns.Err)
}

// certificateTrouble names what is wrong with the server's certificate. There is no
// setting that goes past it.
func certificateTrouble(err error, host string) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s is from an authority that is not trusted%s: set tls.ca to the file of that authority's certificate", host, issuer(err))
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate of %s is for another name (%s): correct the host in url, or set tls.server_name", host, names(name.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("the certificate of %s is valid from %s to %s, and here it is %s: the API's operator has to renew it, unless the clock of this machine is wrong",
			host, day(invalid.Cert.NotBefore), day(invalid.Cert.NotAfter), day(time.Now()))
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s cannot be trusted (%v): the API's operator has to mend it", host, invalid)
	}
	return ""
}

func issuer(err error) string {
	var failed *tls.CertificateVerificationError
	if !errors.As(err, &failed) || len(failed.UnverifiedCertificates) == 0 {
		return ""
	}
	last := failed.UnverifiedCertificates[len(failed.UnverifiedCertificates)-1]
	return fmt.Sprintf(" (%s)", last.Issuer)
}

func names(c *x509.Certificate) string {
	if c == nil || len(c.DNSNames) == 0 {
		return "it names no host"
	}
	return strings.Join(c.DNSNames[:min(len(c.DNSNames), 5)], ", ")
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

func tlsTrouble(err error, host string) string {
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS at this port: check scheme and port of url", host)
	case errors.As(err, &op) && op.Op == "remote error" && wantsCertificate(op.Err.Error()):
		return fmt.Sprintf("%s wants a certificate of ours, or another one (%v): set tls.cert and tls.key", host, op.Err)
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		return fmt.Sprintf("the TLS handshake with %s failed (%v): it has to offer TLS 1.2 or later, may want a certificate of ours (tls.cert and tls.key), and what stands between us must let it through", host, op.Err)
	case strings.Contains(err.Error(), "http2: client conn could not be established"):
		// In TLS 1.3 a client's certificate is refused after the handshake, and HTTP/2 may
		// find the connection closed before it has read why (RFC 8446, section 4.4.2.4).
		return fmt.Sprintf("%s closed the connection right after the TLS handshake: it may want a certificate of ours, set tls.cert and tls.key", host)
	case strings.Contains(err.Error(), "tls: "):
		return fmt.Sprintf("the TLS handshake with %s failed (%v)", host, err)
	}
	return ""
}

// wantsCertificate reads the alerts with which a server refuses a client's certificate
// (RFC 8446, section 6.2); crypto/tls gives them no type of their own.
func wantsCertificate(alert string) bool {
	for _, a := range []string{"certificate required", "bad certificate", "unknown certificate authority", "unsupported certificate", "expired certificate", "revoked certificate"} {
		if strings.Contains(alert, a) {
			return true
		}
	}
	return false
}

func dialTrouble(err error, host string) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return fmt.Sprintf("no connection to %s within %v: check host and port of url, and the firewalls in between", host, dialTimeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s refused the connection: nothing listens at this port; check host and port of url, and whether the API is up", host)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("there is no way to %s (%v): check this machine's network, or whether it needs HTTPS_PROXY", host, err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("the network failed: the connection to %s was reset", host)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("the network failed: %s closed the connection without an answer", host)
	}
	return ""
}
