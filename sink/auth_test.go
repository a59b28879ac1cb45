package sink

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

func authOf(number uint64, intent *offsets.Intent) offsets.Auth {
	return offsets.Auth{
		Sealed: offsets.Sealed{Key: "k1", Text: []byte("sealed")}, Expiry: connector.Beginning, Number: number,
		Written: connector.InstantOf(time.Now()), Intent: intent,
	}
}

// committed returns the token that the offsets topic holds.
func (k *kafka) token() *offsets.Auth {
	k.t.Helper()
	_, table := k.collection(newFeed("people"))
	return table.Auths["s"]
}

func TestATokenIsCommittedAheadOfWhateverIsStaged(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(2000)
	done := make(chan error, 1)
	l := k.live(k.config("a", "owner"), func(ctx context.Context, l *Lane) error {
		go func() {
			var err error
			for n := range uint64(50) {
				err = errors.Join(err, l.CommitAuth("s", authOf(n+1, nil)))
				if got := l.Auth("s"); got == nil || got.Number != n+1 {
					err = errors.Join(err, errors.New("it is not what the lane holds then"))
				}
			}
			done <- err
		}()
		return f.run(ctx, l)
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if at := k.token(); at == nil || at.Number != 50 {
		t.Errorf("the topic holds %+v", at)
	}
	await(t, "the versions are there", k.holds(f.topic(), 2000))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 2000)
	// Each stands alone in its transaction: what hangs of it is judged by itself.
	tokens := 0
	at := map[int64]bool{}
	for _, r := range k.records("crm.offsets") {
		if at[r.Offset-1] || strings.HasPrefix(string(r.Key), `["v1","auth"`) && at[r.Offset+1] {
			t.Fatalf("there is no marker between a token and offset %d", r.Offset)
		}
		if strings.HasPrefix(string(r.Key), `["v1","auth"`) {
			tokens++
			at[r.Offset] = true
		}
	}
	if tokens != 50 {
		t.Errorf("%d tokens", tokens)
	}
}

func TestALaneThatIsSpentTakesNoToken(t *testing.T) {
	k := newKafka(t)
	lanes := make(chan *Lane, 2)
	use := func(ctx context.Context, l *Lane) error {
		lanes <- l
		<-ctx.Done()
		return nil
	}
	first := k.live(k.config("a", "first"), use)
	l := <-lanes
	second := k.live(k.config("a", "second"), use)
	<-lanes
	if err := l.CommitAuth("s", authOf(1, nil)); err == nil || !l.Spent() {
		t.Errorf("a lane that was taken committed a token: %v", err)
	}
	var fenced *FencedError
	if err := first.ended(); !errors.As(err, &fenced) {
		t.Error(err)
	}
	if err := l.CommitAuth("s", authOf(1, nil)); err == nil {
		t.Error("a lane that is closed committed a token")
	}
	if k.token() != nil {
		t.Error("it is there")
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}

func TestATokenThatIsTooLargeSpendsNothing(t *testing.T) {
	k := newKafka(t)
	err := Visit(t.Context(), k.config("a", "visitor"), 0, func(_ context.Context, l *Lane) error {
		a := authOf(1, nil)
		a.Sealed.Text = make([]byte, l.stateLimit)
		if l.CommitAuth("s", a) == nil || l.Spent() {
			t.Error("it was taken, or has spent the lane")
		}
		return l.CommitAuth("s", authOf(2, nil))
	})
	if got := k.token(); err != nil || got == nil || got.Number != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whoever starts while a refresh token may be on its way waits, whatever the names are:
// another instance, the same one again, a command.
func TestAnOpenIntentIsWaitedOutBeforeItsOwnerIsFenced(t *testing.T) {
	const lasts = 2 * time.Second
	for _, c := range []struct {
		name          string
		instance, run string // of who comes
		visit         bool
		intent        *offsets.Intent
		written       time.Duration // before now
		least, atMost time.Duration
	}{
		{"another name", "b", "second", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, 0, lasts, 8 * time.Second},
		{"the same name", "a", "second", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, 0, lasts - 500*time.Millisecond, 8 * time.Second},
		{"a command", "a", "second", true, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, 0, lasts - 500*time.Millisecond, 8 * time.Second},
		{"the same name, and it is over", "a", "second", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, lasts, 0, lasts - 500*time.Millisecond},
		{"another name, whose clock is behind", "b", "second", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, lasts, lasts, 8 * time.Second},
		{"another name, and long over", "b", "second", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, time.Hour, 0, lasts - 500*time.Millisecond},
		{"its own", "a", "first", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first"}, 0, 0, lasts - 500*time.Millisecond},
		{"ended", "b", "second", false, &offsets.Intent{Lasts: lasts, Instance: "a", Run: "first", Ended: true}, 0, 0, lasts - 500*time.Millisecond},
		{"none", "b", "second", false, nil, 0, 0, lasts - 500*time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			err := Visit(t.Context(), k.config("a", "first"), 0, func(_ context.Context, l *Lane) error {
				a := authOf(1, c.intent)
				a.Written = connector.InstantOf(time.Now().Add(-c.written))
				return l.CommitAuth("s", a)
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			acquired := make(chan time.Duration, 1)
			use := func(context.Context, *Lane) error {
				acquired <- time.Since(began)
				return nil
			}
			if c.visit {
				err = Visit(t.Context(), k.config(c.instance, c.run), 0, use)
			} else {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err = Own(ctx, k.config(c.instance, c.run), 0, use)
			}
			if err != nil {
				t.Fatal(err)
			}
			if took := <-acquired; took < c.least || took > c.atMost {
				t.Errorf("acquired after %v, want %v to %v", took, c.least, c.atMost)
			}
		})
	}
}

// Two that are refused again and again do not begin to wait anew each time.
func TestTheWaitForAnIntentGoesOnOverFailures(t *testing.T) {
	l := newLane(Config{Instance: "b", Run: "second", Log: newKafka(t).config("b", "second").Log, Metrics: newKafka(t).config("b", "x").Metrics}, 0, &suspects{})
	l.table = offsets.NewTable()
	a := authOf(1, &offsets.Intent{Lasts: 15 * time.Second, Instance: "a", Run: "first"})
	l.table.Auths["s"] = &a
	now := a.Written.Time().Add(time.Second)
	if _, waits := l.awaitsAnswer(now); !waits {
		t.Error("it does not wait at all")
	}
	seen := l.seen
	l = newLane(l.cfg, 0, &suspects{})
	l.seen, l.table = seen, offsets.NewTable()
	l.table.Auths["s"] = &a
	if _, waits := l.awaitsAnswer(now.Add(14 * time.Second)); !waits {
		t.Error("it does not wait to the end")
	}
	if _, waits := l.awaitsAnswer(now.Add(16 * time.Second)); waits {
		t.Error("it waits beyond the end")
	}
	again := authOf(1, &offsets.Intent{Lasts: 15 * time.Second, Instance: "c", Run: "third"})
	again.Written = connector.InstantOf(now.Add(15 * time.Second))
	l.table.Auths["s"] = &again
	if _, waits := l.awaitsAnswer(now.Add(16 * time.Second)); !waits {
		t.Error("it does not wait for another one")
	}
}

// A token stands alone in its transaction. When Kafka has lost the end of that, it is had
// again rather than lost: it was received, whatever became of it.
func TestATokenWhoseTransactionHangsIsPublishedAnew(t *testing.T) {
	l := &Lane{table: offsets.NewTable()}
	token := offsets.AuthRecord("crm.offsets", 0, "s", authOf(3, nil))
	claim := offsets.ClaimRecord("crm.offsets", 0, offsets.Claim{Instance: "a", Run: "first"})
	for _, c := range []struct {
		records []*kgo.Record
		commit  bool
	}{{[]*kgo.Record{token}, true}, {[]*kgo.Record{claim}, false}} {
		if commit, err := l.verdictOfOwn(t.Context(), &found{records: c.records}); err != nil || commit != c.commit {
			t.Errorf("%s: commit %v (%v), want %v", c.records[0].Key, commit, err, c.commit)
		}
	}
}
