package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// clientTLS says whom a command trusts that asks a connector over HTTPS, and what it shows.
type clientTLS struct{ ca, cert, key, serverName string }

// newClientTLS adds the flags to a command.
func newClientTLS(cmd *cobra.Command) *clientTLS {
	var t clientTLS
	cmd.Flags().StringVar(&t.ca, "ca", "", "trust the authorities in this `FILE` too, beside those of the system and control.tls.cert of the config")
	cmd.Flags().StringVar(&t.serverName, "server-name", "", "the `NAME` that the connector's certificate must have, instead of the host of its address")
	cmd.Flags().StringVar(&t.cert, "cert", "", "show the certificate in this `FILE`, where the config has control.tls.client_ca")
	cmd.Flags().StringVar(&t.key, "key", "", "the `FILE` of its private key")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	return &t
}

// config returns that of a connection to the connector at host. Of the connector whose config
// is at hand the certificate is at hand too: itself it is trusted, whoever has signed it, and
// by the name that it has, since the address in `listen` is often none that a certificate is for.
func (t *clientTLS) config(server *ListenTLS, host string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.serverName}
	if t.ca != "" || server != nil {
		cfg.RootCAs = systemRoots()
	}
	if t.ca != "" {
		text, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("--ca: %w", err)}
		}
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, &exitError{exitUsage, fmt.Errorf("--ca: %s holds no certificate in PEM", t.ca)}
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("--cert and --key: %w", err)}
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if server != nil {
		if leaf := server.trusted(cfg.RootCAs); leaf != nil && t.serverName == "" && leaf.VerifyHostname(host) != nil {
			cfg.ServerName = anyName(leaf)
		}
	}
	return cfg, nil
}

// systemRoots are what the system trusts: nothing, where it does not say.
func systemRoots() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return x509.NewCertPool()
	}
	return pool
}

// trusted adds the certificates of the listener's own file, and returns its first; nil if it
// cannot be read, which need not matter: its authority may be trusted.
func (t *ListenTLS) trusted(pool *x509.CertPool) *x509.Certificate {
	text, err := t.readFile(t.cert)
	if err != nil {
		return nil
	}
	var first *x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // a key may stand beside it
		}
		pool.AddCert(c)
		first = cmp.Or(first, c)
	}
	return first
}

// anyName returns a name that a certificate is for; "": it is for none.
func anyName(c *x509.Certificate) string {
	for _, name := range c.DNSNames {
		return strings.Replace(name, "*", "any", 1)
	}
	for _, ip := range c.IPAddresses {
		return ip.String()
	}
	return ""
}

// hostOf is the host of an address, without its port.
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// tlsTrouble says what a person can do about an error of TLS towards a connector; "": it is none.
func tlsTrouble(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var op *net.OpError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks HTTP and not HTTPS: ask it by http://, or set control.tls in its config"
	case errors.As(err, &unknown):
		return "its certificate is from an authority that is not trusted here: name the file of that authority's certificate with --ca"
	case errors.As(err, &name):
		return fmt.Sprintf("its certificate is for another name (%s): ask it by one of those, or name one with --server-name", namesOf(name.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return fmt.Sprintf("its certificate is not valid before %s: look at the clock of this machine", invalid.Cert.NotBefore.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("its certificate has expired, at %s: put a new one into the files of its control.tls, which needs no restart", invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate cannot be trusted (%v)", invalid)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Sprintf("it refused the certificate of --cert (%v): show one of an authority in its control.tls.client_ca", op.Err)
	}
	return ""
}

func namesOf(c *x509.Certificate) string {
	if c == nil {
		return "none"
	}
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "it names no host"
	}
	return strings.Join(names[:min(len(names), 5)], ", ")
}

// plainToTLS is what net/http answers who speaks HTTP where TLS is spoken.
const plainToTLS = "Client sent an HTTP request to an HTTPS server"
