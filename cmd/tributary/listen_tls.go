package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// lookEvery is how often the files of a certificate are looked at, at most: by who connects or
// scrapes the metrics.
const lookEvery = time.Second

// A tlsReloader serves with the certificate that its files hold. Those of cert-manager and the
// like live for a day; nobody restarts a connector for them.
type tlsReloader struct {
	files *ListenTLS
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	looked time.Time
	inUse  *tlsFiles
	config *tls.Config
	// refused are the files that could not be used, and said what about them: once.
	refused *tlsFiles
	said    string
	expired bool // of inUse, which was said
}

// newTLSReloader reads the files for the first time.
func newTLSReloader(files *ListenTLS, log *slog.Logger) (*tlsReloader, error) {
	r := &tlsReloader{files: files, log: log, now: time.Now}
	first, err := files.read()
	if err != nil {
		return nil, err
	}
	r.use(first)
	r.looked = r.now()
	r.sayExpired()
	return r, nil
}

// server returns the config of a listener.
func (r *tlsReloader) server() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return r.current(), nil }}
}

// current looks at the files, if it is time to, and returns what they say; what they said last
// that could be used, if they cannot be.
func (r *tlsReloader) current() *tls.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.looked) >= lookEvery {
		r.looked = now
		r.look()
		r.sayExpired()
	}
	return r.config
}

// valid looks at the files like current, and returns from when until when the certificate in
// use is valid: a scraper keeps its connection, so that nobody may have connected for long.
func (r *tlsReloader) valid() (from, until time.Time) {
	r.current()
	r.mu.Lock()
	defer r.mu.Unlock()
	leaf := r.inUse.pair.Leaf
	return leaf.NotBefore, leaf.NotAfter
}

func (r *tlsReloader) look() {
	found, err := r.files.read()
	if err == nil && !found.is(r.inUse) && r.now().After(found.pair.Leaf.NotAfter) {
		err = fmt.Errorf("control.tls.cert has expired, at %s", found.pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	switch {
	case err != nil:
		r.refuse(found, err)
	case found.is(r.inUse):
		r.refused = nil
	default:
		r.use(found)
		r.refused = nil
		r.log.Info("the certificate was read again, and is used from now on", "expires", found.pair.Leaf.NotAfter)
	}
}

func (r *tlsReloader) use(files *tlsFiles) {
	r.inUse, r.config, r.expired = files, files.config(), false
}

// refuse says once what is wrong with new files: a pair is two writes, of which the first may
// be seen alone for a moment.
func (r *tlsReloader) refuse(files *tlsFiles, err error) {
	if r.refused != nil && r.refused.is(files) && r.said == err.Error() {
		return
	}
	r.refused, r.said = files, err.Error()
	r.log.Error("the certificate was to be read again and cannot be used: the one before stays in use",
		"err", err, "cert", r.files.cert, "expires", r.inUse.pair.Leaf.NotAfter)
}

// sayExpired says once that nobody will trust the certificate in use.
func (r *tlsReloader) sayExpired() {
	leaf := r.inUse.pair.Leaf
	if r.expired || !r.now().After(leaf.NotAfter) {
		return
	}
	r.expired = true
	r.log.Error("the certificate in use has expired: clients refuse it until its files hold a new one, which needs no restart",
		"cert", r.files.cert, "expired", leaf.NotAfter)
}

// scheme is that of the addresses of a config.
func (c *ControlConfig) scheme() string {
	if c.TLS != nil {
		return "https"
	}
	return "http"
}

// warnOfPlainTokens says where a token can be read on its way. Behind a proxy with TLS that is
// as it should be, so it is no error.
func (c *Config) warnOfPlainTokens(log *slog.Logger) {
	if c.Control.TLS != nil || c.Control.Token == "" {
		return
	}
	for _, at := range []struct{ key, listen string }{{"listen", c.Listen}, {"connect_listen", c.ConnectListen}} {
		if at.listen != "" && !onLoopback(at.listen) {
			log.Warn("the token comes over plain HTTP from other hosts, where it can be read on its way: set `control.tls`, unless a proxy with TLS stands before it",
				at.key, at.listen)
		}
	}
}
