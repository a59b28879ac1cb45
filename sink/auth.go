package sink

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
)

// Auth returns what is committed of a source's token, nil if nothing is. It does not
// change any more.
func (l *Lane) Auth(source string) *offsets.Auth {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.Auths[source]
}

// CommitAuth commits what is known of a source's token in a transaction of its own, as the
// lane's next one, whatever else is staged. It returns when that is committed, or the error
// by which the lane is spent: then it may be committed or not, and the lane's next life
// tells. It heeds no context, for the outcome has to be known.
func (l *Lane) CommitAuth(source string, a offsets.Auth) error {
	r := offsets.AuthRecord(l.cfg.Topic, l.Number, source, a)
	if n := len(r.Key) + len(r.Value) + overhead; n > l.stateLimit {
		return fmt.Errorf("the token of source %s is %d bytes long when sealed, more than the offsets topic takes: raise its max.message.bytes", source, n)
	}
	return l.commitAlone(r, func() { l.table.Auths[source] = &a })
}

// commitAlone commits a record in a transaction of its own, as the lane's next one, and
// does then under the lane's mutex. It returns as CommitAuth does.
func (l *Lane) commitAlone(r *kgo.Record, then func()) error {
	committed := make(chan struct{})
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return l.err
	}
	l.urgent = append(l.urgent, &staged{records: []*kgo.Record{r}, bytes: len(r.Key) + len(r.Value) + overhead, done: func() {
		then()
		close(committed)
	}})
	l.mu.Unlock()
	l.nudge()
	select {
	case <-committed:
		return nil
	case <-l.spent:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.err
	}
}

// Spent says whether the lane's life is over.
func (l *Lane) Spent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

// skew is by how much the clocks of two hosts are taken to differ at most, where a wait
// is cut short by a time that another host wrote.
const skew = time.Minute

// sightings remember when an open intent was first read, by our own clock, beyond a
// lane's life: to be refused again and again must not make the wait begin anew.
type sightings map[string]sighting

type sighting struct {
	run string
	at  time.Time
}

// awaitsAnswer says of which source a request to a token endpoint may still be on its way,
// sent by another process: to begin one beside it would send a refresh token twice, for
// which servers take back every token there is. Fencing does not help, for HTTP is not
// fenced. It holds whatever the other's name is.
func (l *Lane) awaitsAnswer(now time.Time) (source string, waits bool) {
	for source, a := range l.table.Auths {
		if !a.Open() || a.Intent.Run == l.cfg.Run {
			delete(l.seen, source)
			continue
		}
		if l.seen[source].run != a.Intent.Run {
			l.seen[source] = sighting{a.Intent.Run, now}
		}
		if mustAwait(*a.Intent, l.cfg.Instance, now.Sub(l.seen[source].at), now.Sub(a.Written.Time())) {
			return source, true
		}
	}
	return "", false
}

// mustAwait says whether an open intent has to be waited out. seen is for how long we
// know it, by our monotonic clock; written how old its record is, by two clocks: those of
// one host are one, and those of two may differ, but not by any amount. Without it, a
// process that is killed again and again would begin the wait anew each time, and never
// come to its end.
func mustAwait(i offsets.Intent, instance string, seen, written time.Duration) bool {
	old := i.Lasts
	if i.Instance != instance {
		old += skew
	}
	return seen < i.Lasts && written < old
}
