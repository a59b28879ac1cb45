package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCommandsReachAConnectorOverTLS(t *testing.T) {
	s := secure(t, false, "tributary.example.com")
	ca, wrong := filepath.Join(s.dir, "ca.crt"), filepath.Join(s.dir, "wrong.crt")
	newAuthority(t, "another").write(s.dir, "wrong.crt")
	at := "https://" + s.listen
	plain := operateAPlane(t, smallPlane())
	for _, c := range []struct {
		args string
		code int
		says string // on either
	}{
		// With the connector's own config at hand nothing more is needed: the certificate is known.
		{"status", 0, "4 collections"},
		{"pull eu.people", 0, "eu.people/0@42"},
		{"pause eu.people", 0, "eu.people: paused"},
		{"resume eu.people", 0, "eu.people: running"},
		{"healthcheck", 0, ""},
		{"status --url " + at + " --ca " + ca + " --server-name tributary.example.com", 0, "4 collections"},
		{"healthcheck! --url " + at + "/readyz --ca " + ca + " --server-name tributary.example.com", 0, ""},
		{"status --url " + at + " --server-name tributary.example.com", 1, "from an authority that is not trusted here: name the file of that authority's certificate with --ca"},
		{"status --url " + at + " --server-name tributary.example.com --ca " + wrong, 1, "from an authority that is not trusted here"},
		{"status --url " + at + " --ca " + ca, 1, "is for another name (tributary.example.com): ask it by one of those, or name one with --server-name"},
		{"status --server-name other.example.com", 1, "is for another name (tributary.example.com)"},
		{"status --url http://" + s.listen, 1, "it speaks HTTPS and not HTTP: ask it by https://"},
		{"status --url https://" + strings.TrimPrefix(plain.server.URL, "http://"), 1, "it speaks HTTP and not HTTPS: ask it by http://"},
		{"healthcheck! --url https://" + strings.TrimPrefix(plain.server.URL, "http://"), 1, "it speaks HTTP and not HTTPS"},
		{"status --ca " + filepath.Join(s.dir, "none"), 2, "--ca: open"},
		{"status --ca " + s.config, 2, "holds no certificate in PEM"},
		{"status --cert " + ca, 2, "[cert key]"},
		{"status --cert " + ca + " --key " + ca, 2, "--cert and --key"},
	} {
		args := strings.Fields(c.args)
		if args[0] = strings.TrimSuffix(args[0], "!"); !strings.Contains(c.args, "!") {
			args = append(args, "-c", s.config)
		}
		code, out, errs := tributary(t, args...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s%s", c.args, code, c.code, c.says, out, errs)
		}
		if strings.Contains(out+errs, controlToken) {
			t.Errorf("%s shows the token: %s%s", c.args, out, errs)
		}
	}
}

func TestACertificateThatCannotBeTrustedIsNamedByCommands(t *testing.T) {
	s := secure(t, true, "127.0.0.1")
	if code, _, errs := tributary(t, "status", "-c", s.config); code != 1 || !strings.Contains(errs, "answers nobody who shows no certificate; show one of an authority in control.tls.client_ca") {
		t.Errorf("without a certificate: exit code %d: %s", code, errs)
	}
	s.ca.issue(s.dir, "client", leaf{expires: time.Hour, client: true})
	client := []string{"--cert", filepath.Join(s.dir, "client.crt"), "--key", filepath.Join(s.dir, "client.key"), "-c", s.config}
	if code, _, errs := tributary(t, append([]string{"status"}, client...)...); code != 0 {
		t.Errorf("with one: exit code %d: %s", code, errs)
	}
	// The probe of a container has none.
	if code, _, errs := tributary(t, "healthcheck", "-c", s.config); code != 0 {
		t.Errorf("healthcheck: exit code %d: %s", code, errs)
	}
	for _, c := range []struct {
		from, until time.Duration
		says        string
	}{{-2 * time.Hour, -time.Hour, "has expired, at "}, {time.Hour, 2 * time.Hour, "is not valid before "}} {
		cert := &x509.Certificate{NotBefore: time.Now().Add(c.from), NotAfter: time.Now().Add(c.until)}
		err := fmt.Errorf("asking: %w", x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired})
		if got := tlsTrouble(err); !strings.Contains(got, c.says) {
			t.Errorf("%q, want %q", got, c.says)
		}
	}
	if got := tlsTrouble(context.Canceled); got != "" {
		t.Errorf("what is no error of TLS is said to be %q", got)
	}
}

func TestARunSpeaksTLSWhereItsConfigSaysSo(t *testing.T) {
	c := newCLI(t, "[people]")
	dir, at, connect := filepath.Dir(c.config), freeAddress(t), freeAddress(t)
	newAuthority(t, "authority").issue(dir, "server", leaf{names: []string{"connector.example.com"}, expires: time.Hour})
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "listen: 127.0.0.1:0", "listen: "+at+"\nconnect_listen: "+connect+"\ncontrol: {tls: {cert: server.crt, key: server.key}}", 1))
	if err := os.WriteFile(c.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	var errs lockedBuffer
	go func() {
		env := func(name string) (string, bool) { return "canary-token", name == "TOKEN" }
		done <- run(ctx, []string{"run", "-c", c.config}, env, strings.NewReader(""), io.Discard, &errs)
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(errs.String(), "caught up"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never caught up:\n%s", errs.String())
		}
	}
	if code, out, errs := c.run("pull", "people"); code != 0 || !strings.Contains(out, "shop.people/0@") {
		t.Errorf("pull: exit code %d: %s%s", code, out, errs)
	}
	if code, out, errs := c.run("healthcheck"); code != 0 {
		t.Errorf("healthcheck: exit code %d: %s%s", code, out, errs)
	}
	if code, _, errs := tributary(t, "status", "--url", "http://"+connect); code != 1 || !strings.Contains(errs, "it speaks HTTPS and not HTTP") {
		t.Errorf("connect_listen over plain HTTP: exit code %d: %s", code, errs)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("ended with %d:\n%s", code, errs.String())
	}
}
