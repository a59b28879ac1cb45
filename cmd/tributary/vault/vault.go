// Package vault keeps what package oauth knows of a token where package sink can commit
// it: sealed, in the offsets topic. Neither of the two knows the other.
package vault

import (
	"context"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
)

// A Sealer turns what the offsets topic holds of a token into what a keeper knows, and
// back.
type Sealer struct {
	Ring *offsets.Ring
	// Topic is the offsets topic, to which what is sealed is bound.
	Topic string
	// Instance and Run say who writes.
	Instance, Run string
}

// Open returns what a record holds, nil for none. Its error holds nothing of it.
func (s Sealer) Open(a *offsets.Auth, source string) (*oauth.State, error) {
	if a == nil {
		return nil, nil
	}
	t, err := s.Ring.OpenToken(a.Sealed, s.Topic, source)
	if err != nil {
		return nil, err
	}
	st := &oauth.State{Access: t.Access, Refresh: t.Refresh, Seed: t.Seed, Number: a.Number}
	st.Life, _ = time.ParseDuration(t.Life) // empty where the server did not say
	if a.Expiry != connector.Beginning {
		st.Expiry = a.Expiry.Time()
	}
	if i := a.Intent; i != nil {
		st.Intent = &oauth.Intent{Lasts: i.Lasts, Run: i.Run, Ended: i.Ended}
	}
	return st, nil
}

// Seal makes a record.
func (s Sealer) Seal(st oauth.State, source string) (offsets.Auth, error) {
	a := offsets.Auth{Expiry: connector.Beginning, Number: st.Number, Instance: s.Instance, Run: s.Run, Written: connector.InstantOf(time.Now())}
	t := offsets.Token{Access: st.Access, Refresh: st.Refresh, Seed: st.Seed}
	if !st.Expiry.IsZero() {
		a.Expiry, t.Life = connector.InstantOf(st.Expiry), st.Life.String()
	}
	if i := st.Intent; i != nil {
		a.Intent = &offsets.Intent{Lasts: i.Lasts, Instance: s.Instance, Run: i.Run, Ended: i.Ended}
	}
	var err error
	a.Sealed, err = s.Ring.SealToken(t, s.Topic, source)
	return a, err
}

// A Vault keeps a source's token for one life of its lane.
type Vault struct {
	Lane   *sink.Lane
	Sealer Sealer
	Source string
	// Again reads what is committed now, without fencing anybody.
	Again func(context.Context) (*offsets.Auth, error)
}

var _ oauth.Store = (*Vault)(nil)

// Load returns what is committed.
func (v *Vault) Load(ctx context.Context, anew bool) (*oauth.State, error) {
	a := v.Lane.Auth(v.Source)
	if anew {
		var err error
		if a, err = v.Again(ctx); err != nil {
			return nil, err
		}
	}
	return v.Sealer.Open(a, v.Source)
}

// Commit seals the state and commits it.
func (v *Vault) Commit(st oauth.State) error {
	a, err := v.Sealer.Seal(st, v.Source)
	if err != nil {
		return err
	}
	err = v.Lane.CommitAuth(v.Source, a)
	if err != nil && v.Lane.Spent() {
		return fmt.Errorf("%w: %w", oauth.ErrGone, err)
	}
	return err
}
