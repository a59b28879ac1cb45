//go:build unix

package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/test/kafkatest"
)

// Rights without which a whole lane cannot go on are taken away from a connector that
// is busy. It waits for them, and goes on by itself when they are given back.
func TestRightsOfALaneThatAreTakenAwayAreWaitedFor(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.SASL(kafkatest.ScramSHA256, kafkatest.User{Name: "tributary", Password: password}), kafkatest.ACLs(false))
	for name, c := range map[string]struct {
		right func(r *rig) *kadm.ACLBuilder
		says  string
	}{
		"to write the offsets topic": {func(r *rig) *kadm.ACLBuilder {
			return kadm.NewACLs().Topics(r.offsets()).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite)
		}, "TOPIC_AUTHORIZATION_FAILED"},
		"to use the transactional id": {func(r *rig) *kadm.ACLBuilder {
			return kadm.NewACLs().TransactionalIDs(r.prefix).ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite)
		}, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := guarded(t, b)
			r.allow(r.topic("people"), kadm.OpAll)
			p := r.run()
			p.says(soon, `msg="caught up"`)
			stop := r.writing(100, 45)
			time.Sleep(time.Second)
			// What denies wins over what allows.
			r.deny(c.right(r))
			line := p.says(soon, "level=WARN", "lane is spent, acquiring it again", c.says)
			time.Sleep(3 * time.Second)
			p.running()
			// Not by reading: the transaction in which the right was lost may still be open.
			before := r.written()
			time.Sleep(time.Second)
			equalEnds(t, before, r.written())
			if code, body := p.get("/readyz"); code != 503 {
				t.Errorf("/readyz: %d %s", code, body)
			}
			told := p.log.String()
			acquired, given := p.acquisitions(), time.Now()
			r.undeny(c.right(r))
			eventually(t, soon, "the lane is acquired again", func() bool { return p.acquisitions() > acquired })
			back := time.Since(given)
			time.Sleep(time.Second)
			stop()
			r.rest(soon, "people", "accounts")
			t.Logf("back %s after the right was given; meanwhile the operator saw:\n%s", back.Round(10*time.Millisecond), told[strings.Index(told, line):])
			p.stop()
		})
	}
}

// written returns the ends of the data topics, whether committed or not.
func (r *rig) written() map[string]int64 {
	r.t.Helper()
	ends, err := r.admin().ListEndOffsets(r.context(), r.topic("people"), r.topic("accounts"))
	if err := errors.Join(err, ends.Error()); err != nil {
		r.t.Fatal(err)
	}
	return sums(ends)
}

func (r *rig) deny(b *kadm.ACLBuilder) {
	r.t.Helper()
	if _, err := r.admin().CreateACLs(r.context(), b.Deny("User:tributary").DenyHosts()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) undeny(b *kadm.ACLBuilder) {
	r.t.Helper()
	deleted, err := r.admin().DeleteACLs(r.context(), b.Deny("User:tributary").DenyHosts())
	n := 0
	for _, d := range deleted {
		n += len(d.Deleted)
	}
	if err != nil || n != 1 {
		r.t.Fatalf("%d rights deleted: %v", n, err)
	}
}
