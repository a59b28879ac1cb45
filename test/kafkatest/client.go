//go:build unix

package kafkatest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Client returns a client of the internal listener, which is closed at the end of the
// test.
func (b *Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.InternalAddr())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// CreateTopic creates a topic, with settings as Kafka names them; nil is none.
func (b *Broker) CreateTopic(t testing.TB, topic string, partitions int32, settings map[string]string) {
	t.Helper()
	configs := make(map[string]*string, len(settings))
	for k, v := range settings {
		configs[k] = &v
	}
	adm := kadm.NewClient(b.Client(t))
	made, err := adm.CreateTopic(t.Context(), partitions, 1, configs, topic)
	if err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	// The broker answers before its own metadata tells of it.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		topics, err := adm.ListTopics(t.Context(), topic)
		if d := topics[topic]; err == nil && d.Err == nil && d.ID == made.ID && len(d.Partitions) == int(partitions) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("topic %s was made and is not there: %v", topic, err)
		}
	}
}

var prefixes atomic.Int64

// Prefix returns what the names of a test's topics, groups and transactional ids can
// begin with to be nobody else's on this broker.
func (b *Broker) Prefix(t testing.TB) string {
	legal := func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '-'
	}
	return fmt.Sprintf("%s-%d-", strings.Map(legal, t.Name()), prefixes.Add(1))
}

// UnsecuredToken returns a token that a broker with [OAuthBearer] accepts as the
// subject for as long as it lives: a JWT without signature.
func UnsecuredToken(subject string, lifetime time.Duration) string {
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err) // Neither a string nor a number fails to marshal.
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	now := time.Now()
	return part(map[string]any{"alg": "none"}) + "." + part(map[string]any{
		"sub": subject, "iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}) + "."
}
