package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"tributary/sink"
)

// KafkaConfig says how to reach the cluster and as whom.
type KafkaConfig struct {
	Brokers []string
	// TLS is nil for a connection in plain text.
	TLS *tls.Config
	// SASL is nil for a cluster that asks for no name.
	SASL *SASLConfig
	// TransactionTimeout is after how long the cluster aborts what a dead process left
	// open, DeliveryTimeout for how long a topic that refuses records is tried; 0 is
	// the default of package sink.
	TransactionTimeout, DeliveryTimeout time.Duration
}

// String says how the cluster is reached.
func (k KafkaConfig) String() string {
	s := strings.Join(k.Brokers, ",")
	if k.TLS != nil {
		s += " over TLS"
	}
	if k.SASL != nil {
		s += " with " + k.SASL.Mechanism
	}
	return s
}

// Format writes String whatever the verb: behind its pointers are a password and a
// private key, and package fmt follows pointers for a verb that does not fit.
func (k KafkaConfig) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns String.
func (k KafkaConfig) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns String.
func (k KafkaConfig) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// SASLConfig is a login. Only the fields of its mechanism are set.
type SASLConfig struct {
	Mechanism string
	// Username and Password: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.
	Username string
	Password Secret
	// Token, or the client credentials that get one: OAUTHBEARER.
	Token              Secret
	TokenURL, ClientID string
	ClientSecret       Secret
	Scopes             []string
	// AccessKey, SecretKey and, for temporary credentials, SessionToken: AWS_MSK_IAM.
	AccessKey               string
	SecretKey, SessionToken Secret
}

// saslKeys are the keys of each mechanism beside its name.
var saslKeys = map[string][]string{
	"PLAIN":         {"username", "password"},
	"SCRAM-SHA-256": {"username", "password"},
	"SCRAM-SHA-512": {"username", "password"},
	"OAUTHBEARER":   {"token", "token_url", "client_id", "client_secret", "scopes"},
	"AWS_MSK_IAM":   {"access_key", "secret_key", "session_token"},
}

func (d *decoder) kafka(n *node) KafkaConfig {
	var k KafkaConfig
	d.object(n, keys{
		"brokers":             func(n *node) { k.Brokers = d.brokers(n) },
		"tls":                 func(n *node) { k.TLS = d.tls(n) },
		"sasl":                func(n *node) { k.SASL = d.sasl(n) },
		"transaction_timeout": func(n *node) { k.TransactionTimeout = d.duration(n, time.Second) },
		"delivery_timeout":    func(n *node) { k.DeliveryTimeout = d.duration(n, time.Second) },
	})
	if n.kind != mapNode {
		return k
	}
	d.require(n, "brokers")
	delivery, transaction := cmp.Or(k.DeliveryTimeout, sink.DefaultDeliveryTimeout), cmp.Or(k.TransactionTimeout, sink.DefaultTransactionTimeout)
	if delivery >= transaction {
		d.fail(n, "has a delivery_timeout of %v and a transaction_timeout of %v: a topic that refuses records must be given up before Kafka ends the transaction of its lane", delivery, transaction)
	}
	if k.SASL != nil && k.SASL.Mechanism == "AWS_MSK_IAM" && n.get("tls") == nil {
		d.fail(n.at("sasl"), `with AWS_MSK_IAM needs "tls: true" beside it: MSK takes IAM over TLS alone`)
	}
	return k
}

func (d *decoder) brokers(n *node) []string {
	brokers := d.texts(n)
	if n.kind == listNode && len(n.items) == 0 {
		d.fail(n, "needs at least one HOST:PORT")
	}
	for i, b := range brokers {
		if b == "" {
			continue // reported, or its reference was
		}
		host, _, err := net.SplitHostPort(b)
		if err != nil || host == "" || checkAddress(b) != nil || strings.ContainsAny(b, "/@ ") {
			d.fail(n.items[i], "wants HOST:PORT, as in kafka-1:9092; found %s", shown(n.items[i]))
		}
	}
	return brokers
}

func (d *decoder) sasl(n *node) *SASLConfig {
	s := &SASLConfig{}
	d.object(n, keys{
		"mechanism": func(n *node) {
			s.Mechanism = d.oneOf(n, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM")
		},
		"username":      func(n *node) { s.Username = d.name(n) },
		"password":      func(n *node) { s.Password = d.secret(n) },
		"token":         func(n *node) { s.Token = d.secret(n) },
		"token_url":     func(n *node) { s.TokenURL = d.tokenURL(n) },
		"client_id":     func(n *node) { s.ClientID = d.name(n) },
		"client_secret": func(n *node) { s.ClientSecret = d.secret(n) },
		"scopes":        func(n *node) { s.Scopes = d.texts(n) },
		"access_key":    func(n *node) { s.AccessKey = d.name(n) },
		"secret_key":    func(n *node) { s.SecretKey = d.secret(n) },
		"session_token": func(n *node) { s.SessionToken = d.secret(n) },
	})
	if n.kind == mapNode {
		d.require(n, "mechanism")
		d.saslMechanism(n, s)
	}
	return s
}

// saslMechanism checks that a login has what its mechanism needs and nothing of
// another's, which would be a misunderstanding.
func (d *decoder) saslMechanism(n *node, s *SASLConfig) {
	own, known := saslKeys[s.Mechanism]
	if !known {
		return
	}
	for _, f := range n.fields {
		if f.key != "mechanism" && f.value.kind != nullNode && isSASLKey(f.key) && !slices.Contains(own, f.key) {
			d.failAt(f.pos, "%s has no meaning for %s, which takes %s", f.value.path, s.Mechanism, strings.Join(own, ", "))
		}
	}
	switch s.Mechanism {
	case "OAUTHBEARER":
		if n.get("token") == nil {
			d.require(n, "token_url", "client_id", "client_secret")
		} else if n.get("token_url") != nil {
			d.fail(n, `has both "token" and "token_url": a token that is fixed is never asked for`)
		}
	case "AWS_MSK_IAM":
		d.awsCredentials(n, s)
	default:
		d.require(n, "username", "password")
	}
}

func isSASLKey(key string) bool {
	for _, own := range saslKeys {
		if slices.Contains(own, key) {
			return true
		}
	}
	return false
}

// awsCredentials takes what the config leaves out from the variables that every tool
// of AWS reads. A key from one place with a secret from the other is no credential.
func (d *decoder) awsCredentials(n *node, s *SASLConfig) {
	if n.get("access_key") != nil || n.get("secret_key") != nil || n.get("session_token") != nil {
		d.require(n, "access_key", "secret_key")
		return
	}
	access, _ := d.env("AWS_ACCESS_KEY_ID")
	secret, _ := d.env("AWS_SECRET_ACCESS_KEY")
	session, _ := d.env("AWS_SESSION_TOKEN")
	if access == "" || secret == "" {
		d.fail(n, `needs "access_key" and "secret_key", or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment`)
	}
	s.AccessKey, s.SecretKey, s.SessionToken = access, Secret(secret), Secret(session)
}
