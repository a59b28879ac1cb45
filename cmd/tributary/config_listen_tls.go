package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// ListenTLS names the files with which `listen` and `connect_listen` speak TLS. They are read
// again while the connector runs, so what is kept is where they are.
type ListenTLS struct {
	cert, key string
	// clientCA holds the authorities of one of which a client must show a certificate; "":
	// none is asked for.
	clientCA string

	readFile func(string) ([]byte, error)
}

// listenTLS decodes where the files are. Commands that ask a connector do no more: its key is
// not theirs to read.
func (f *fileDecoder) listenTLS(n *node) *ListenTLS {
	before := len(f.problems)
	t := &ListenTLS{readFile: f.readFile}
	f.object(n, keys{
		"cert":      func(n *node) { t.cert = f.name(n) },
		"key":       func(n *node) { t.key = f.name(n) },
		"client_ca": func(n *node) { t.clientCA = f.name(n) },
	})
	if n.kind == mapNode {
		f.require(n, "cert", "key")
	}
	if len(f.problems) > before {
		return nil
	}
	return t
}

// checkListenTLS reads the files of what listenTLS decoded, so that a wrong path is a bad config.
// A certificate that has expired is none: to poll goes on without anybody who looks, and a new
// certificate is taken when it comes.
func (f *fileDecoder) checkListenTLS(n *node) {
	if f.cfg.Control.TLS == nil {
		return // was reported, or there is none
	}
	_, err := f.cfg.Control.TLS.read()
	var in *tlsFileError
	switch {
	case err == nil:
	case errors.As(err, &in):
		f.fail(n.get(in.key), "%v", in.err)
	default:
		f.fail(n, "%v", err)
	}
}

// tlsFiles are the files as they were at one moment.
type tlsFiles struct {
	cert, key, clientCA []byte

	pair    tls.Certificate
	clients *x509.CertPool // nil: none is asked for
}

// is says whether other has the same bytes.
func (f *tlsFiles) is(other *tlsFiles) bool {
	return bytes.Equal(f.cert, other.cert) && bytes.Equal(f.key, other.key) && bytes.Equal(f.clientCA, other.clientCA)
}

// A tlsFileError is what is wrong with the file of one key.
type tlsFileError struct {
	key string
	err error
}

func (e *tlsFileError) Error() string { return "control.tls." + e.key + " " + e.err.Error() }

// read reads the files and makes of them what a server needs. Of files that cannot be used it
// returns the bytes too, as far as it came.
func (t *ListenTLS) read() (*tlsFiles, error) {
	f := &tlsFiles{}
	for _, file := range []struct {
		key, path string
		into      *[]byte
	}{{"cert", t.cert, &f.cert}, {"key", t.key, &f.key}, {"client_ca", t.clientCA, &f.clientCA}} {
		if file.path == "" {
			continue
		}
		var err error
		if *file.into, err = t.readFile(file.path); err != nil {
			return f, &tlsFileError{file.key, fmt.Errorf("cannot be read: %w", err)}
		}
	}
	var err error
	if f.pair, err = tls.X509KeyPair(f.cert, f.key); err != nil {
		return f, fmt.Errorf("control.tls has a cert and a key that do not go together: %w", err)
	}
	if t.clientCA != "" {
		f.clients = x509.NewCertPool()
		if !f.clients.AppendCertsFromPEM(f.clientCA) {
			return f, &tlsFileError{"client_ca", errors.New("holds no certificate in PEM")}
		}
	}
	return f, nil
}

// config returns what a server does with the files.
func (f *tlsFiles) config() *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{f.pair},
		// The deadlines that a request sets for what waits are those of its connection.
		NextProtos: []string{"http/1.1"},
		// A session of before would bring back a client whose authority is trusted no more.
		SessionTicketsDisabled: true,
	}
	if f.clients != nil {
		// Who shows none is told so in HTTP, and probes of liveness, which can show none, are
		// answered (control.Certified).
		cfg.ClientCAs, cfg.ClientAuth = f.clients, tls.VerifyClientCertIfGiven
	}
	return cfg
}
