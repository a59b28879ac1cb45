package main

import (
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tributary/connector/control"
	"tributary/connector/control/page"
)

// ControlConfig says who may see and operate the connector at its listen address.
type ControlConfig struct {
	// Token is asked of everybody; empty: only who comes over the loopback is answered.
	Token Secret
	// Hosts are names by which it may be asked beside those of the loopback.
	Hosts []string
	// TLS is what `listen` and `connect_listen` speak; nil: plain HTTP.
	TLS *ListenTLS
}

// minToken is how many bytes a token has at least: one that can be guessed is none.
const minToken = 16

func (f *fileDecoder) control(n *node, c *ControlConfig) {
	f.object(n, keys{
		"token": func(n *node) {
			c.Token = f.secret(n)
			switch token := c.Token.Reveal(); {
			case token == "": // was reported
			case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
				f.fail(n, "has characters that a header cannot carry: letters, digits and signs of ASCII can be used, without blanks")
			case len(token) < minToken:
				f.fail(n, "is too short: a token has at least %d bytes; `openssl rand -hex 32` makes one", minToken)
			}
		},
		"tls": func(n *node) { c.TLS = f.listenTLS(n) },
		"hosts": func(n *node) {
			c.Hosts = f.texts(n)
			for i, host := range c.Hosts {
				if !hostName.MatchString(host) {
					f.fail(n.items[i], "wants the name of a host, as in tributary.example.com, or with its port; found %s", shown(n.items[i]))
				}
			}
		},
	})
}

// loadControl reads from the config at path where its connector listens and with what
// token. It looks at nothing else: who operates a connector need not have the credentials
// of its sources.
func loadControl(path string, env func(string) (string, bool)) (listen string, c ControlConfig, err error) {
	text, err := readConfig(path)
	if err != nil {
		return "", c, err
	}
	f := fileDecoder{decoder: newDecoder(expanderIn(filepath.Dir(path), env))}
	root := parseTree(f.decoder, text)
	listen = defaultListen
	if at := root.get("listen"); at != nil {
		listen = f.listen(at)
	}
	if at := root.get("control"); at != nil {
		f.control(at, &c)
	}
	if len(f.problems) > 0 {
		return "", c, f.err()
	}
	return listen, c, nil
}

// hostName fits a name or an address, in brackets where it has colons, and a port.
var hostName = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// onLoopback says whether an address that is listened on is reached from this host alone.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && isLoopback(&url.URL{Host: net.JoinHostPort(host, "")})
}

// wantsCertificate says whether clients must show a certificate.
func (c *ControlConfig) wantsCertificate() bool { return c.TLS != nil && c.TLS.clientCA != "" }

// newControl returns the control API over a plane, as the config has it.
func newControl(cfg *Config, p control.Plane, log *slog.Logger) *control.Handler {
	open := onLoopback(cfg.Listen)
	if !open && cfg.Control.Token == "" {
		log.Warn("the control API and the status page answer nobody: this is not the loopback, and `control.token` is not set", "listen", cfg.Listen)
	}
	return control.NewHandler(p, control.Config{
		Token: cfg.Control.Token.Reveal(), Hosts: slices.Clone(cfg.Control.Hosts), Loopback: open, Certificate: cfg.Control.wantsCertificate(),
		Page: page.Handler(), Log: log,
	})
}
