package oauth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// refresh gets a new token, or commits the one that was received. Its error is that of
// the store.
func (k *Keeper) refresh(ctx context.Context, store Store) error {
	k.mu.Lock()
	pending := k.pending != nil
	if !pending {
		k.busy = true
	}
	k.mu.Unlock()
	if pending {
		return k.keepOrWait(store)
	}
	err := k.attempt(ctx, store)
	if err != nil {
		err = k.unwritten(err)
	}
	k.mu.Lock()
	k.busy = false
	k.attempts++
	k.notify()
	k.mu.Unlock()
	return err
}

func (k *Keeper) attempt(ctx context.Context, store Store) error {
	began := time.Now()
	if store != nil {
		if err := k.intend(store); err != nil {
			return err
		}
		// Called off only by its own deadline: what was sent has to be answered, or its
		// answer is lost.
		ctx = context.WithoutCancel(ctx)
	}
	limited, cancel := context.WithDeadline(ctx, began.Add(callWithin))
	defer cancel()
	if limited.Err() != nil {
		k.log.Warn("a new token was not asked for: its intent was committed too late, and is made anew", "took", time.Since(began))
		k.wait(0)
		return nil
	}
	answer, err := k.ask(limited)
	received := time.Now()
	var f *Failure
	switch {
	case errors.As(err, &f):
		return k.failed(ctx, store, f)
	case err != nil:
		return err
	}
	k.receive(answer, received)
	return k.keep(store)
}

// intend commits that the refresh token is about to be sent. After an error it must not be.
func (k *Keeper) intend(store Store) error {
	k.mu.Lock()
	s := k.state
	k.mu.Unlock()
	s.Intent = &Intent{Lasts: intentLasts, Run: k.run}
	return k.commit(store, s)
}

// commit makes s the state, which is of the same token.
func (k *Keeper) commit(store Store, s State) error {
	if err := store.Commit(s); err != nil {
		return err
	}
	k.mu.Lock()
	k.state.Intent = s.Intent
	k.mu.Unlock()
	return nil
}

func (k *Keeper) ask(ctx context.Context) (Answer, error) {
	if k.cfg.Flow == ClientCredentials {
		return k.end.Credentials(ctx)
	}
	k.mu.Lock()
	refresh := k.state.Refresh
	k.mu.Unlock()
	return k.end.Refresh(ctx, refresh)
}

// receive takes an answer into memory, where it stays until it is committed.
func (k *Keeper) receive(a Answer, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := State{Access: a.Access, Refresh: a.Refresh, Life: a.Life, Seed: k.state.Seed, Number: k.state.Number + 1}
	if a.Refresh == "" {
		s.Refresh = k.state.Refresh // not rotated
	}
	if a.Life > 0 {
		s.Expiry = at.Add(a.Life)
	}
	k.pending, k.pendingAt = &s, at
	k.remember(s.Access, s.Refresh)
}

func (k *Keeper) keepOrWait(store Store) error {
	if err := k.keep(store); err != nil {
		return k.unwritten(err)
	}
	return nil
}

// keep commits the token that was received, and lets it be used.
func (k *Keeper) keep(store Store) error {
	k.mu.Lock()
	s, at := *k.pending, k.pendingAt
	k.mu.Unlock()
	if store != nil {
		if err := store.Commit(s); err != nil {
			return fmt.Errorf("a token was received, and is kept in memory: %w", err)
		}
		k.m.Window.Observe(time.Since(at).Seconds())
	}
	k.m.Refreshes.WithLabelValues("ok").Inc()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wanted != "" {
		k.forRefusal = s.Access
	}
	k.state, k.expires, k.pending = s, s.Expiry, nil
	k.wanted, k.interrupted, k.trouble, k.stuck, k.failures = "", nil, nil, nil, 0
	k.notBefore = at.Add(atLeast)
	if s.Access == "" {
		k.trouble = (&Failure{status: 200, text: "the token endpoint gave a refresh token and no access token that can be sent"}).retry()
		k.notBefore = time.Now().Add(maxWait)
	}
	k.m.Reauth.Set(0)
	k.showExpiry()
	k.notify()
	k.log.Info("new token", "number", s.Number, "life", s.Life, "rotated", s.Refresh != "")
	return nil
}

// outcomes are the labels of the classes.
var outcomes = map[class]string{unknown: "unknown", refused: "refused", client: "client", later: "later"}

// failed decides what becomes of an attempt that brought nothing.
func (k *Keeper) failed(ctx context.Context, store Store, f *Failure) error {
	k.m.Refreshes.WithLabelValues(outcomes[f.class]).Inc()
	if f.class == refused && store != nil {
		return k.givenUp(ctx, store, f)
	}
	k.mu.Lock()
	k.failures++
	if f.class == unknown && store != nil && k.interrupted == nil {
		k.interrupt(&Intent{Run: k.run})
	}
	interrupted := k.interrupted != nil
	most := maxWait
	if interrupted && time.Since(k.interruptedAt) < graceHoped {
		most = graceWait
	}
	wait := min(most, firstWait<<min(k.failures-1, 12))
	wait = max(f.after, wait/2+rand.N(wait/2+1))
	k.trouble = f.retry()
	s, until := k.state, k.expires
	usable := k.usable(time.Now()) && k.wanted == "" // else the API has refused it
	k.mu.Unlock()
	k.log.Warn("no new token, trying again", "err", f, "wait", wait.Round(time.Millisecond), "token_works", usable, "until", until)
	k.wait(wait)
	if store == nil {
		return nil
	}
	// Nobody needs to wait any more; that it is not known what came of it stays.
	if s.Intent = nil; interrupted {
		s.Intent = &Intent{Lasts: intentLasts, Run: k.run, Ended: true}
	}
	return k.commit(store, s)
}

// unwritten puts off what cannot be committed although the store is there.
func (k *Keeper) unwritten(err error) error {
	if errors.Is(err, ErrGone) {
		return err
	}
	k.log.Error("the token's state cannot be committed, trying again", "err", err, "wait", time.Minute)
	k.mu.Lock()
	k.trouble = (&Failure{text: err.Error()}).retry()
	k.mu.Unlock()
	k.wait(time.Minute)
	return nil
}

// givenUp looks once more whether another process has put another token there since, and
// else leaves it to a person.
func (k *Keeper) givenUp(ctx context.Context, store Store, f *Failure) error {
	found, err := store.Load(context.WithoutCancel(ctx), true)
	k.mu.Lock()
	if err == nil && found != nil && (found.Number > k.state.Number || found.Refresh != k.state.Refresh) {
		k.log.Info("another process has put another token in its place", "number", found.Number)
		k.adopt(found)
		k.mu.Unlock()
		return nil
	}
	k.trouble = f.retry()
	k.expire()
	s := k.state
	k.mu.Unlock()
	s.Intent = nil
	return k.commit(store, s)
}

// wait puts the next attempt off.
func (k *Keeper) wait(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notBefore = time.Now().Add(d)
	k.wanted = "" // whoever wanted another token asks again
}
