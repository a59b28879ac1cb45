//go:build unix

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
)

const password = "right-of-the-test"

// guarded is a small rig on a broker that asks who comes, and what for: the connector
// may do everything that it needs but with the topic of people.
func guarded(t *testing.T, b *kafkatest.Broker) *rig {
	t.Helper()
	r := newRigOn(t, b, hostile.Config{Collections: []string{"people", "accounts"}})
	for _, c := range []string{"people", "accounts"} {
		r.api.InsertAt(c, 20, hostile.Timing{Backdate: time.Minute})
		r.createTopic(r.topic(c), 1, map[string]string{"cleanup.policy": "compact"})
	}
	r.login(password)
	r.createTopic(r.offsets(), 1, map[string]string{"cleanup.policy": "compact"})
	r.allow(r.topic("accounts"), kadm.OpAll)
	r.allow(r.offsets(), kadm.OpAll)
	ids := kadm.NewACLs().Allow("User:tributary").AllowHosts().TransactionalIDs(r.prefix).
		ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpAll)
	if _, err := r.admin().CreateACLs(r.context(), ids); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) login(password string) {
	r.config.kafka = fmt.Sprintf("{brokers: [%q], sasl: {mechanism: SCRAM-SHA-256, username: tributary, password: %q}}", r.broker.Addr(), password)
}

func (r *rig) allow(topic string, op kadm.ACLOperation) {
	r.t.Helper()
	b := kadm.NewACLs().Allow("User:tributary").AllowHosts().Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(op)
	if _, err := r.admin().CreateACLs(r.context(), b); err != nil {
		r.t.Fatal(err)
	}
}

func TestLoginAndRights(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.SASL(kafkatest.ScramSHA256, kafkatest.User{Name: "tributary", Password: password}), kafkatest.ACLs(false))
	t.Run("a wrong password is refused", func(t *testing.T) {
		t.Parallel()
		r := guarded(t, b)
		r.login("wrong-of-the-test")
		r.refused("SASL_AUTHENTICATION_FAILED", b.Addr(), "kafka.sasl")
		if code, out, _ := r.command("check"); code != 4 || lineWith(out, "fail", "broker "+b.Addr(), "SASL_AUTHENTICATION_FAILED") == "" {
			t.Errorf("check: %d\n%s", code, out)
		}
	})
	t.Run("a collection that may not write is quarantined, the others go on, and it comes back", func(t *testing.T) {
		t.Parallel()
		r := guarded(t, b)
		r.allow(r.topic("people"), kadm.OpRead) // and so to describe it
		p := r.run()
		p.says(soon, "quarantined", "collection=people", r.topic("people"), "TOPIC_AUTHORIZATION_FAILED")
		r.othersGoOn(p)
		if p.metric("tributary_collection_state", "collection", "people", "state", "quarantined") != 1 {
			t.Error("its state is not quarantined")
		}
		r.comesBack(p)
	})
	for name, op := range map[string]kadm.ACLOperation{"see": kadm.OpUnknown, "look into": kadm.OpDescribe} {
		t.Run("a topic that it may not even "+name+" keeps nobody else from going on", func(t *testing.T) {
			t.Parallel()
			r := guarded(t, b)
			if op != kadm.OpUnknown {
				r.allow(r.topic("people"), op)
			}
			p := r.run()
			p.says(soon, r.topic("people"), "TOPIC_AUTHORIZATION_FAILED")
			r.othersGoOn(p)
			if n := strings.Count(p.log.String(), `msg="lane acquired"`); n > 2 {
				t.Errorf("the lane was acquired %d times", n)
			}
			r.allow(r.topic("people"), kadm.OpAll)
			p.stop()
			r.seed()
			r.right("people", "accounts")
		})
	}
	t.Run("a dead letter queue that may not be written holds up who needs it", func(t *testing.T) { mayNotWriteLetters(t, b) })
	t.Run("rights taken away while it runs are waited for", func(t *testing.T) {
		t.Parallel()
		r := guarded(t, b)
		r.allow(r.topic("people"), kadm.OpAll)
		p := r.run()
		r.converge(r.oracle("people", "accounts"), soon)
		gone := kadm.NewACLs().Allow("User:tributary").AllowHosts().Topics(r.topic("people")).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll)
		if _, err := r.admin().DeleteACLs(r.context(), gone); err != nil {
			t.Fatal(err)
		}
		r.allow(r.topic("people"), kadm.OpDescribe)
		r.api.Insert("people", 5)
		p.says(soon, "quarantined", "collection=people")
		r.othersGoOn(p)
		r.comesBack(p)
	})
}

func (r *rig) othersGoOn(p *process) {
	r.t.Helper()
	for range 3 {
		r.api.Insert("accounts", 5)
		r.converge(r.oracle("accounts"), soon)
	}
	p.running()
}

// comesBack grants what was missing.
func (r *rig) comesBack(p *process) {
	r.t.Helper()
	r.allow(r.topic("people"), kadm.OpAll)
	r.api.Insert("people", 7)
	took := r.converge(r.oracle("people", "accounts"), soon)
	r.right("people", "accounts")
	p.says(soon, "topic takes records again", "collection=people")
	r.t.Logf("back %s after the right was given", took.Round(10*time.Millisecond))
	p.stop()
}
