package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"

	"tributary/connector/rest"
)

// TLSConfig says whom to trust and which certificate to show; the zero value trusts what
// the system trusts.
type TLSConfig struct{ config *tls.Config }

// Format writes nothing of it: it holds a private key, and package fmt follows pointers.
func (t TLSConfig) Format(f fmt.State, _ rune) { io.WriteString(f, "TLS") }

// MarshalText returns what Format writes.
func (t TLSConfig) MarshalText() ([]byte, error) { return []byte("TLS"), nil }

// transport returns what carries a source's requests.
func (t TLSConfig) transport() http.RoundTripper { return rest.NewTransport(t.config) }

// sourceTLS decodes the files of a source whose API has a private authority, or wants a
// certificate of ours. Whether there is TLS at all is said by the url.
func (d *decoder) sourceTLS(n *node) TLSConfig {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	d.tlsFiles(n, cfg)
	return TLSConfig{cfg}
}

// tls decodes true, false, or a map of files. The files are read now, so that a wrong
// path is a bad config and not a failed connection.
func (d *decoder) tls(n *node) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if n.kind != mapNode {
		if n.kind == listNode {
			d.fail(n, "wants true, false or a map, found %s", n.kind)
			return nil
		}
		if !d.bool(n) {
			return nil
		}
		return cfg
	}
	d.tlsFiles(n, cfg)
	return cfg
}

// tlsFiles decodes whom to trust and which certificate to show.
func (d *decoder) tlsFiles(n *node, cfg *tls.Config) {
	var cert, key string
	d.object(n, keys{
		"ca":          func(n *node) { cfg.RootCAs = d.authorities(n) },
		"cert":        func(n *node) { cert = d.name(n) },
		"key":         func(n *node) { key = d.name(n) },
		"server_name": func(n *node) { cfg.ServerName = d.name(n) },
	})
	if (n.get("cert") == nil) != (n.get("key") == nil) {
		if d.mistyped(n, "cert") || d.mistyped(n, "key") {
			return
		}
		d.fail(n, `needs "cert" and "key" together, or neither`)
	} else if cert != "" && key != "" {
		d.certificate(n, cert, key, cfg)
	}
}

func (d *decoder) authorities(n *node) *x509.CertPool {
	path := d.name(n)
	if path == "" {
		return nil
	}
	pem, err := d.readFile(path)
	pool := x509.NewCertPool()
	switch {
	case err != nil:
		d.fail(n, "cannot be read: %v", err)
	case !pool.AppendCertsFromPEM(pem):
		d.fail(n, "holds no certificate in PEM")
	}
	return pool
}

func (d *decoder) certificate(n *node, cert, key string, cfg *tls.Config) {
	certPEM, err := d.readFile(cert)
	if err != nil {
		d.fail(n.get("cert"), "cannot be read: %v", err)
		return
	}
	keyPEM, err := d.readFile(key)
	if err != nil {
		d.fail(n.get("key"), "cannot be read: %v", err)
		return
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		d.fail(n, "has a cert and a key that do not go together: %v", err)
		return
	}
	cfg.Certificates = []tls.Certificate{pair}
}
