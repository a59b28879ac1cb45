package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestEveryMechanismMakesAClient(t *testing.T) {
	for _, sasl := range []string{
		"{mechanism: PLAIN, username: u, password: p}",
		"{mechanism: SCRAM-SHA-256, username: u, password: 12345}",
		"{mechanism: SCRAM-SHA-512, username: u, password: p}",
		"{mechanism: OAUTHBEARER, token: t}",
		"{mechanism: OAUTHBEARER, token_url: \"https://login.test/token\", client_id: i, client_secret: s, scopes: [kafka]}",
		"{mechanism: AWS_MSK_IAM, access_key: a, secret_key: s, session_token: t}",
	} {
		cfg := mustParse(t, "group: crm\nkafka: {brokers: [k:9092], tls: true, sasl: "+sasl+"}\nsources: [{name: shop, preset: shop}]\n")
		opts, err := cfg.Kafka.Opts()
		if err != nil {
			t.Errorf("%s: %v", sasl, err)
			continue
		}
		client, err := kgo.NewClient(opts...)
		if err != nil {
			t.Errorf("%s: %v", sasl, err)
			continue
		}
		client.Close()
	}
	if _, err := (KafkaConfig{SASL: &SASLConfig{Mechanism: "GSSAPI"}}).Opts(); err == nil {
		t.Error("an unknown mechanism makes options")
	}
}

func TestAWSCredentialsComeFromTheEnvironment(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}[name]
		return v, ok
	}
	text := "group: crm\nkafka: {brokers: [k:9092], tls: true, sasl: {mechanism: AWS_MSK_IAM}}\nsources: [{name: shop, preset: shop}]\n"
	cfg, err := parseConfig(newConfigText("t.yaml", []byte(text)), ".", env, testPresets())
	if err != nil {
		t.Fatal(err)
	}
	if s := cfg.Kafka.SASL; s.AccessKey != "a" || s.SecretKey.Reveal() != "s" || s.SessionToken.Reveal() != "t" {
		t.Errorf("got %v %q %q", s.AccessKey, s.SecretKey.Reveal(), s.SessionToken.Reveal())
	}
}

func TestTLSTakesFilesAndNothingBelow12(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir)
	text := head[:len("group: crm\n")] + "kafka: {brokers: [k:9092], tls: {ca: cert.pem, cert: cert.pem, key: key.pem, server_name: kafka.test}}\nsources: [{name: shop, preset: shop}]\n"
	cfg, err := parseConfig(newConfigText("t.yaml", []byte(text)), dir, testEnv, testPresets())
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.Kafka.TLS
	if got.MinVersion != tls.VersionTLS12 || got.ServerName != "kafka.test" || len(got.Certificates) != 1 || got.RootCAs == nil {
		t.Errorf("got %+v", got)
	}
}

func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClientCredentialsAreSentOnceAndNeverOn(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
			return
		}
		if id, secret, _ := r.BasicAuth(); id != "i" || secret != "s" || r.FormValue("scope") != "a b" {
			t.Errorf("got %q, %q, %q", id, secret, r.FormValue("scope"))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token": "t1", "token_type": "bearer", "expires_in": 3600}`)
	}))
	defer server.Close()
	s := SASLConfig{Mechanism: "OAUTHBEARER", TokenURL: server.URL + "/token", ClientID: "i", ClientSecret: "s", Scopes: []string{"a", "b"}}
	m, err := s.mechanism()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, first, err := m.Authenticate(context.Background(), "k:9092")
		if err != nil || !strings.Contains(string(first), "auth=Bearer t1") {
			t.Errorf("got %q, %v", first, err)
		}
	}
	if asked != 1 {
		t.Errorf("the token endpoint was asked %d times, not once", asked)
	}
	s.TokenURL = server.URL + "/redirect"
	if m, err = s.mechanism(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Authenticate(context.Background(), "k:9092"); err == nil || !strings.Contains(err.Error(), "redirects") || asked != 2 {
		t.Errorf("after a redirect: %v, asked %d times", err, asked)
	}
}
