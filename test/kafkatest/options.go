//go:build unix

package kafkatest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Option changes what [Start] and [Launch] start.
type Option func(*config)

// User is a name with its password.
type User struct{ Name, Password string }

// The SASL mechanisms that [SASL] takes.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

type config struct {
	jvm        []string
	properties map[string]string
	mechanisms []string
	users      []User
	tls        bool
	clientAuth bool
	acls       bool
	allowAll   bool
	superUsers []string
}

// Properties sets lines of the broker's server.properties; they win over everything
// that this package sets.
func Properties(p map[string]string) Option {
	return func(c *config) { maps.Copy(c.properties, p) }
}

// JVM replaces the flags of the Java machine. The default ones are for a broker that
// starts fast and lives for a test; one whose speed is measured wants the full
// compiler: JVM("-Xmx1g").
func JVM(flags ...string) Option {
	return func(c *config) { c.jvm = flags }
}

// SASL makes clients log in by the mechanism, as one of the users. Given more than
// once, the broker offers every mechanism to all the users. [OAuthBearer] knows no
// users: it takes every token of [UnsecuredToken] that has not expired.
func SASL(mechanism string, users ...User) Option {
	return func(c *config) {
		c.mechanisms = append(c.mechanisms, mechanism)
		c.users = append(c.users, users...)
	}
}

// TLS makes the broker speak TLS, with a certificate for 127.0.0.1 and localhost of
// an authority of its own ([Broker.CAFile], [Broker.TLSConfig]).
func TLS() Option {
	return func(c *config) { c.tls = true }
}

// MutualTLS is [TLS] with a certificate asked of the clients too: the one of
// [Broker.ClientCertFiles], whose principal is User:CN=tributary.
func MutualTLS() Option {
	return func(c *config) { c.tls, c.clientAuth = true, true }
}

// ACLs turns authorization on. The super users may do everything, others what an ACL
// allows; where a resource has no ACL at all, allowIfNone says whether everybody may.
// It needs [SASL] or [MutualTLS]: in plain text everybody is the user of the internal
// listener, who is a super user.
func ACLs(allowIfNone bool, superUsers ...string) Option {
	return func(c *config) {
		c.acls, c.allowAll, c.superUsers = true, allowIfNone, superUsers
	}
}

func newConfig(opts []Option) (*config, error) {
	c := &config{
		// The first compiler alone: half the CPU in the first seconds, which are all
		// that most brokers here live for.
		jvm:        []string{"-Xmx512m", "-XX:TieredStopAtLevel=1"},
		properties: map[string]string{},
	}
	for _, o := range opts {
		o(c)
	}
	return c, c.validate()
}

func (c *config) validate() error {
	if c.acls && len(c.mechanisms) == 0 && !c.clientAuth {
		return errors.New("kafkatest: ACLs need SASL or MutualTLS, or every client is a super user")
	}
	for _, m := range c.mechanisms {
		if !slices.Contains([]string{Plain, ScramSHA256, ScramSHA512, OAuthBearer}, m) {
			return fmt.Errorf("kafkatest: unknown SASL mechanism %q", m)
		}
	}
	for _, u := range c.users {
		// Two grammars without a common way of quoting take these: that of JAAS and
		// that of the formatting tool.
		if u.Name == "" || u.Password == "" || strings.ContainsAny(u.Name+u.Password, "\"\\,;=[] \n") {
			return fmt.Errorf("kafkatest: user %q: name and password must be there, without space, quote, backslash and any of ,;=[]", u.Name)
		}
	}
	return nil
}

// protocol is that of the clients' listener.
func (c *config) protocol() string {
	switch {
	case len(c.mechanisms) > 0 && c.tls:
		return "SASL_SSL"
	case len(c.mechanisms) > 0:
		return "SASL_PLAINTEXT"
	case c.tls:
		return "SSL"
	}
	return "PLAINTEXT"
}
