package oauth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"tributary/connector"
)

// State is what is kept of a source's token.
type State struct {
	Access, Refresh string
	// Expiry is when Access ends by our clock, Life for how long it was issued; zero
	// where the server did not say.
	Expiry time.Time
	Life   time.Duration
	// Seed is the digest of the configured refresh token that this one took the place of.
	Seed string
	// Number counts the tokens received.
	Number uint64
	// Intent is set while the refresh token is being exchanged.
	Intent *Intent
}

// An Intent says that a refresh token is about to be sent. Others wait for as long as it
// lasts; Ended says that they need not, and that no answer is known.
type Intent struct {
	Lasts time.Duration
	// Run is the process whose intent it is.
	Run   string
	Ended bool
}

// Store is where the state is kept, for one life of it.
type Store interface {
	// Load returns what is committed, nil for nothing; anew says to look again instead
	// of telling what was there when this life began. An error is one about what is
	// there, and lasts.
	Load(ctx context.Context, anew bool) (*State, error)
	// Commit returns when the state is committed. After an error that is ErrGone this
	// life is over, and the next one's Load says whether it was committed.
	Commit(s State) error
}

// ErrGone is within the error of a Store whose life is over.
var ErrGone = errors.New("the store is gone")

// How a refresh is timed.
const (
	// callWithin is how long a refresh may take up to its answer, counted from before
	// the commit of its intent; intentLasts leaves some time for the answer's commit.
	callWithin  = 10 * time.Second
	intentLasts = 15 * time.Second
	// firstWait is doubled with each failure in a row.
	firstWait = time.Second
	maxWait   = 5 * time.Minute
	// For graceHoped after a refresh whose answer is lost the server may still take the
	// old token: until then it is tried at least every graceWait.
	graceHoped = 10 * time.Minute
	graceWait  = 5 * time.Second
	// atLeast is between two refreshes, however short the life of a token is.
	atLeast = 500 * time.Millisecond
)

// Keeper keeps the token of one source, over any number of lives of its store. All of its
// collections share it. It is safe for concurrent use.
type Keeper struct {
	cfg  Config
	run  string
	log  *slog.Logger
	m    *connector.OAuthMetrics
	end  *Endpoint
	kick chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed when what follows has changed
	state   State         // committed
	expires time.Time     // of state.Access, by the monotonic clock; zero: not known
	// pending was received and is not known to be committed.
	pending   *State
	pendingAt time.Time // when it was received
	// interrupted is a refresh of which no answer is known: of another process, or one of
	// ours whose answer was lost on its way.
	interrupted   *Intent
	interruptedAt time.Time // when we came to know
	busy          bool
	attempts      uint64 // that have ended
	failures      int    // in a row
	notBefore     time.Time
	trouble       error  // of the last attempt
	stuck         error  // why a person has to log in
	refused       string // the refresh token that the server does not take
	wanted        string // an access token that the API does not take
	forRefusal    string // one that was got instead of such
	rejected      string // one of those which the API does not take either
	secrets       []string
}

// NewKeeper returns the keeper of a source's token. run is the number of this process; a
// nil endpoint is one of its own.
func NewKeeper(cfg Config, run string, end *Endpoint, log *slog.Logger, m *connector.OAuthMetrics) *Keeper {
	k := &Keeper{cfg: cfg, run: run, end: end, log: log.With("source", cfg.Source), m: m, kick: make(chan struct{}, 1), changed: make(chan struct{})}
	if k.end == nil {
		k.end = NewEndpoint(&k.cfg, nil)
	}
	return k
}

// Run keeps the token until ctx is done or the store is gone; a refresh that was begun is
// finished first. It returns an error for what is no end of a store's life. A nil store
// is for client credentials, which need none.
func (k *Keeper) Run(ctx context.Context, store Store) error {
	if store != nil {
		if err := k.load(ctx, store); err != nil {
			return gone(err)
		}
	}
	for ctx.Err() == nil {
		wait, due := k.due(time.Now())
		if due {
			if err := k.refresh(ctx, store); err != nil {
				return gone(err)
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-k.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func gone(err error) error {
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// due says whether something is to be done now, or after how long to look again.
func (k *Keeper) due(now time.Time) (time.Duration, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := now.Add(time.Hour)
	switch {
	case k.pending != nil, k.interrupted != nil, k.state.Access == "", k.wanted != "":
		at = now
	case !k.expires.IsZero():
		at = k.expires.Add(-lead(k.state.Life))
	}
	if k.stuck != nil && k.pending == nil {
		return time.Hour, false
	}
	if at.Before(k.notBefore) {
		at = k.notBefore
	}
	return at.Sub(now), !at.After(now)
}

// lead is how long before its end a token is renewed: a quarter of its life, and a minute
// where its life is two. If renewing fails, the source lives on what is left.
func lead(life time.Duration) time.Duration {
	if l := life / 4; l >= time.Minute || life < 2*time.Minute {
		return l
	}
	return time.Minute
}

// Token returns an access token that is good, as far as is known. It waits for a refresh
// that is being made. Its error is a *connector.RetryError.
func (k *Keeper) Token(ctx context.Context) (string, error) {
	for {
		k.mu.Lock()
		usable := k.usable(time.Now())
		access, stuck, trouble, busy, changed := k.state.Access, k.stuck, k.trouble, k.busy, k.changed
		k.mu.Unlock()
		switch {
		case usable:
			return access, nil
		case stuck != nil:
			return "", stuck
		case trouble != nil && !busy:
			return "", trouble
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", &connector.RetryError{Reason: connector.RetryTimeout, Err: errors.New("no access token came within the time of the request")}
		}
	}
}

func (k *Keeper) usable(now time.Time) bool {
	return k.state.Access != "" && (k.expires.IsZero() || now.Before(k.expires))
}

// Pending says whether a token was received that is not known to be committed. It must
// not be lost: whoever ends gives the keeper a store once more.
func (k *Keeper) Pending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pending != nil
}

// notify wakes whoever waits for a change. The mutex is held.
func (k *Keeper) notify() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// remember notes secrets that texts of others may repeat. The mutex is held.
func (k *Keeper) remember(secrets ...string) {
	const kept = 16
	for _, s := range secrets {
		if s != "" {
			k.secrets = append(k.secrets, s)
		}
	}
	k.secrets = k.secrets[max(0, len(k.secrets)-kept):]
}

// Secrets returns what must not be shown: the tokens of now, and the last ones.
func (k *Keeper) Secrets() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string{k.cfg.ClientSecret, k.cfg.Seed}, k.secrets...)
}
