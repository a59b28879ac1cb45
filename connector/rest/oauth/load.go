package oauth

import (
	"context"
	"fmt"
	"time"

	"tributary/connector"
)

// load begins a life of the store: it finds out which token goes on, and commits one that
// was received and not committed before anything else.
func (k *Keeper) load(ctx context.Context, store Store) error {
	found, err := store.Load(ctx, false)
	k.mu.Lock()
	k.stuck, k.notBefore, k.trouble = nil, time.Time{}, nil
	k.m.Reauth.Set(0)
	if err != nil {
		k.stop(fmt.Sprintf("the token of source %s cannot be read: %v", k.cfg.Source, err))
		k.mu.Unlock()
		return nil
	}
	k.adopt(found)
	pending := k.pending != nil
	if !pending && k.stuck == nil && k.refused != "" && k.refused == k.state.Refresh {
		k.expire()
	}
	k.notify()
	k.mu.Unlock()
	if pending {
		return k.keepOrWait(store)
	}
	return nil
}

// adopt compares what is committed with what is in memory. The mutex is held.
func (k *Keeper) adopt(found *State) {
	s := State{}
	if found != nil {
		s = *found
	}
	// What was committed by us and is not there was taken back by a repair of the log,
	// which cannot know that it was received.
	if k.pending == nil && k.state.Number > s.Number {
		last := k.state
		k.pending, k.pendingAt = &last, time.Now()
	}
	switch p := k.pending; {
	case p == nil:
	case s.Number < p.Number:
		return // it is committed next, over whatever is there
	default:
		if s.Refresh != p.Refresh || s.Access != p.Access {
			k.log.Warn("a token that was received is given up: another process has committed one since", "number", s.Number)
		}
		k.pending = nil
	}
	if s.Number != k.state.Number || s.Refresh != k.state.Refresh {
		k.interrupted = nil // it was about another token
	}
	same := s.Access != "" && s.Access == k.state.Access
	switch digest := k.cfg.Digest(); {
	case found == nil, digest != "" && s.Seed != digest:
		if found != nil {
			k.log.Info("the config has another refresh token than before: it is used instead of the one that is kept")
		}
		s = State{Refresh: k.cfg.Seed, Seed: digest, Number: s.Number}
	case s.Intent != nil && s.Intent.Run != k.run:
		k.interrupt(s.Intent)
		k.log.Warn("a process ended while it was getting a new token, and whether it got one is not known: the old refresh token is sent again, "+
			"which servers take that allow for it; the access token is used for as long as it lasts", "run", s.Intent.Run, "expiry", s.Expiry)
	}
	if s.Refresh == "" && k.stuck == nil {
		k.state = s
		k.stop(fmt.Sprintf("source %s has no refresh token yet", k.cfg.Source))
	}
	k.remember(s.Access, s.Refresh)
	k.state = s
	if !same {
		k.expires = time.Time{}
		if !s.Expiry.IsZero() {
			// From here on by the monotonic clock.
			k.expires = time.Now().Add(time.Until(s.Expiry))
		}
	}
	k.showExpiry()
}

// interrupt notes a refresh of which no answer is known. The mutex is held.
func (k *Keeper) interrupt(i *Intent) { k.interrupted, k.interruptedAt = i, time.Now() }

func (k *Keeper) showExpiry() {
	at := 0.0
	if !k.expires.IsZero() {
		at = float64(k.expires.UnixMicro()) / 1e6
	}
	k.m.Expiry.Set(at)
}

// stop says that a person has to log in. The mutex is held.
func (k *Keeper) stop(why string) {
	remedy := fmt.Sprintf("`tributary auth login %s` gets a new token, or `tributary auth import %s` takes one; a connector that runs goes on by itself then", k.cfg.Source, k.cfg.Source)
	k.stuck = &connector.RetryError{Reason: connector.RetryUnauthorized, Err: fmt.Errorf("%s: %s", why, remedy)}
	k.m.Reauth.Set(1)
	if k.usable(time.Now()) {
		k.log.Error("reauth required soon: the access token still works, and cannot be renewed", "why", why, "remedy", remedy, "until", k.state.Expiry)
		return
	}
	k.log.Error("reauth required: the source's collections wait, others go on", "why", why, "remedy", remedy)
}

// expire is stop for a refresh token that the server does not take.
func (k *Keeper) expire() {
	k.refused = k.state.Refresh
	why := fmt.Sprintf("the token endpoint of source %s does not take the refresh token any more", k.cfg.Source)
	switch i := k.interrupted; {
	case i == nil:
	case i.Run == k.run:
		why += ": it was sent before, and the answer to that was lost on its way"
	default:
		why += fmt.Sprintf(": process %s had sent it, and ended before it could commit what it got for it", i.Run)
	}
	k.stop(why)
	k.interrupted, k.wanted = nil, ""
}
