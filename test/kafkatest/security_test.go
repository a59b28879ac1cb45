//go:build unix

package kafkatest

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// produceAs logs in at the clients' listener and produces one record.
func produceAs(t *testing.T, b *Broker, topic string, m sasl.Mechanism, opts ...kgo.Opt) error {
	t.Helper()
	return produceWithin(t, time.Minute, b, topic, m, opts...)
}

func produceWithin(t *testing.T, within time.Duration, b *Broker, topic string, m sasl.Mechanism, opts ...kgo.Opt) error {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(b.Brokers()...), kgo.DefaultProduceTopic(topic))
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	if b.cfg.tls {
		conf, err := b.TLSConfig()
		if err != nil {
			t.Fatal(err)
		}
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	// Asked first: a refused login ends this request at once, a produce only when
	// its context does.
	if _, err := kadm.NewClient(cl).ListTopics(ctx, topic); err != nil {
		return err
	}
	return cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr()
}

func TestLogins(t *testing.T) {
	alice := User{"alice", "in-wonder+land"}
	b := Start(t, TLS(), SASL(Plain, alice), SASL(ScramSHA256), SASL(ScramSHA512), SASL(OAuthBearer))
	b.CreateTopic(t, "people", 1, nil)
	token := func(lifetime time.Duration) sasl.Mechanism {
		return oauth.Auth{Token: UnsecuredToken("alice", lifetime)}.AsMechanism()
	}
	wrong := "in-wonder-land"
	for _, tt := range []struct {
		name string
		m    sasl.Mechanism
		ok   bool
	}{
		{"plain", plain.Auth{User: alice.Name, Pass: alice.Password}.AsMechanism(), true},
		{"plain wrong", plain.Auth{User: alice.Name, Pass: wrong}.AsMechanism(), false},
		{"scram 256", scram.Auth{User: alice.Name, Pass: alice.Password}.AsSha256Mechanism(), true},
		{"scram 256 wrong", scram.Auth{User: alice.Name, Pass: wrong}.AsSha256Mechanism(), false},
		{"scram 512", scram.Auth{User: alice.Name, Pass: alice.Password}.AsSha512Mechanism(), true},
		{"scram 512 wrong", scram.Auth{User: alice.Name, Pass: wrong}.AsSha512Mechanism(), false},
		{"oauthbearer", token(time.Hour), true},
		{"oauthbearer expired", token(-time.Hour), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := produceAs(t, b, "people", tt.m)
			if tt.ok && err != nil {
				t.Error(err)
			}
			if !tt.ok && (err == nil || errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("err = %v, want a refused login", err)
			}
		})
	}
}

func TestACLs(t *testing.T) {
	b := Start(t, SASL(Plain, User{"alice", "a"}, User{"root", "r"}), ACLs(false, "root"))
	b.CreateTopic(t, "people", 1, nil)
	alice, root := plain.Auth{User: "alice", Pass: "a"}.AsMechanism(), plain.Auth{User: "root", Pass: "r"}.AsMechanism()
	if err := produceAs(t, b, "people", root); err != nil {
		t.Error("super user:", err)
	}
	if err := produceWithin(t, 5*time.Second, b, "people", alice); err == nil {
		t.Error("a user without rights produced")
	}
	allow := kadm.NewACLs().Allow("User:alice").AllowHosts().Topics("people").
		ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite, kadm.OpDescribe)
	made, err := kadm.NewClient(b.Client(t)).CreateACLs(t.Context(), allow)
	if err != nil || len(made) == 0 || made[0].Err != nil {
		t.Fatalf("create ACLs: %v, %v", made, err)
	}
	// The broker answers before its own authorizer knows.
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := produceAs(t, b, "people", alice)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("allowed user:", err)
		}
	}
}

func TestMutualTLS(t *testing.T) {
	b := Start(t, MutualTLS())
	b.CreateTopic(t, "people", 1, nil)
	if err := produceAs(t, b, "people", nil); err != nil {
		t.Error("with its certificate:", err)
	}
	conf, err := b.TLSConfig()
	if err != nil {
		t.Fatal(err)
	}
	conf.Certificates = nil
	conn, err := tls.Dial("tcp", b.Addr(), conf)
	if err == nil {
		// In TLS 1.3 the client is done before the server has looked at it.
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without a certificate: err = %v, want a refusal", err)
	}
}
