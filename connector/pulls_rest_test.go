package connector

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An illAPI fails every request while fail says why, and notes when it was asked.
type illAPI struct {
	mu    sync.Mutex
	fail  error
	hangs time.Duration // every request, before it is decided what comes of it
	asked []time.Duration
	zero  time.Time
}

func (a *illAPI) Fetch(ctx context.Context, q Query) (Page, error) {
	a.mu.Lock()
	a.asked = append(a.asked, time.Since(a.zero))
	fail, hangs := a.fail, a.hangs
	a.mu.Unlock()
	if err := sleepOf(ctx, hangs); err != nil {
		return Page{}, err
	}
	return Page{Date: InstantOf(time.Now()), Last: true, Total: -1}, fail
}

func (a *illAPI) becomes(fail error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = fail
}

func (a *illAPI) hang(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hangs = d
}

// since returns how often it was asked from then on.
func (a *illAPI) since(at time.Duration) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.asked {
		if d >= at {
			n++
		}
	}
	return n
}

// An ill collection polls an illAPI once an hour.
type ill struct {
	*Pulls
	api *illAPI
	t   *testing.T
}

func illOf(t *testing.T, fail error, change func(*Settings)) *ill {
	t.Helper()
	set := basic()
	set.Interval, set.Triggers.OnRestart = time.Hour, true
	if change != nil {
		change(&set)
	}
	i := &ill{api: &illAPI{zero: time.Now(), fail: fail}, Pulls: NewPulls(set, time.Now, func() float64 { return 0.5 }), t: t}
	env := simEnvOf(&sim{p: simParams{stamp: 1, tick: 1}, versions: map[string][]simVersion{}})
	env.Pulls, env.Now, env.Sleep = i.Pulls, time.Now, sleepOf
	env.Random = func() float64 { return 0.5 }
	r, err := NewReader(set, i.api, &collector{}, NewMemory(), env, NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return i
}

// ask asks for a pull, and says when it was told what.
func (i *ill) ask() (took time.Duration, err error) {
	began := time.Now()
	ticket, err := i.Ask(Reason{Name: ReasonManual})
	if err != nil {
		return 0, err
	}
	pull, err := ticket.Wait(i.t.Context())
	if err == nil && pull.Began.Before(began) {
		i.t.Errorf("the pull began %s before it was asked for", began.Sub(pull.Began))
	}
	return time.Since(began), err
}

var forbidden = &RetryError{Reason: RetryRefused, Err: errors.New("the API answered 403")}

func TestWhoAsksDuringALongBackoffIsToldOfATryOfHisOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := illOf(t, forbidden, nil)
		time.Sleep(20 * time.Minute) // it is tried every few minutes by now
		if took, err := i.ask(); err == nil || !strings.Contains(err.Error(), "403") || took != 0 {
			t.Errorf("told %v after %s", err, took)
		}
		i.api.becomes(nil)
		time.Sleep(10 * time.Second)
		if took, err := i.ask(); err != nil || took != 0 {
			t.Errorf("once it is well: told %v after %s", err, took)
		}
	})
}

func TestManyWhoAskDuringABackoffAreOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := illOf(t, forbidden, func(set *Settings) { set.Triggers.Delay = 50 * time.Millisecond })
		time.Sleep(20 * time.Minute)
		from := time.Since(i.api.zero)
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 100 * time.Microsecond)
				if took, err := i.ask(); err == nil || took > 50*time.Millisecond {
					t.Errorf("told %v after %s", err, took)
				}
			})
		}
		all.Wait()
		if n := i.api.since(from); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestThoseWhoAskWithoutPauseAreNoMoreThanATryInTenSeconds: a person may need to be told more
// than once a minute whether he has mended it, and a thousand readers of a list must not have
// an account locked.
func TestThoseWhoAskWithoutPauseAreNoMoreThanATryInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := illOf(t, forbidden, nil)
		time.Sleep(20 * time.Minute)
		from := time.Since(i.api.zero)
		for time.Since(i.api.zero) < from+10*time.Minute {
			if took, err := i.ask(); err == nil || took > askedMax {
				t.Fatalf("told %v after %s", err, took)
			}
		}
		if n := i.api.since(from); n < 60 || n > 66 {
			t.Errorf("%d requests in ten minutes", n)
		}
		from = time.Since(i.api.zero)
		time.Sleep(20 * time.Minute)
		if n := i.api.since(from); n < 4 || n > 8 {
			t.Errorf("%d requests in twenty minutes in which nobody asks: those who asked have changed the pace", n)
		}
	})
}

func TestNobodyBreaksAHoldOfTheServer(t *testing.T) {
	for name, err := range map[string]*RetryError{
		"429 with Retry-After": {Reason: RetryThrottled, After: 10 * time.Minute, Err: errors.New("429")},
		"503 with Retry-After": {Reason: RetryServer, After: 10 * time.Minute, Err: errors.New("503")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := illOf(t, err, nil)
				time.Sleep(time.Minute)
				i.api.becomes(nil)
				i.Hurry(Reason{Name: ReasonManual})
				if _, err := i.ask(); err != nil || time.Since(i.api.zero) < 10*time.Minute {
					t.Errorf("told %v after %s", err, time.Since(i.api.zero))
				}
				if n := i.api.since(time.Second); n != i.api.since(10*time.Minute) {
					t.Errorf("asked after %v", i.api.asked)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // which does not say for how long
		i := illOf(t, &RetryError{Reason: RetryThrottled, Err: errors.New("429")}, nil)
		for time.Since(i.api.zero) < time.Hour {
			i.ask()
		}
		if n := i.api.since(30 * time.Minute); n > 60 {
			t.Errorf("%d requests in half an hour", n)
		}
	})
}

// TestWhoAsksWhileARequestHangsIsNotToldOfThat: it was sent before the API was well again.
func TestWhoAsksWhileARequestHangsIsNotToldOfThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := illOf(t, &RetryError{Reason: RetryTimeout, Err: errors.New("no answer within 30s")}, nil)
		i.api.hang(30 * time.Second)
		time.Sleep(30 * time.Minute)
		for n := i.api.since(0); i.api.since(0) == n; { // until it rests again for a minute or so
			time.Sleep(time.Second)
		}
		time.Sleep(35 * time.Second)
		first := make(chan error)
		go func() { _, err := i.ask(); first <- err }() // his try hangs too
		time.Sleep(time.Second)
		i.api.hang(0)
		i.api.becomes(nil)
		if took, err := i.ask(); err != nil || took < 29*time.Second || took > 31*time.Second {
			t.Errorf("told %v after %s", err, took)
		}
		if err := <-first; err == nil {
			t.Error("his pull ended well although his try failed")
		}
	})
}

func TestARequestThatFailedRestsAsLongAsItIsTo(t *testing.T) {
	next := Again{Wait: time.Hour, Asked: time.Minute}
	for name, c := range map[string]struct {
		next Again
		do   func(*Pulls)
		want time.Duration
	}{
		"while nobody asks":              {next, func(*Pulls) {}, time.Hour},
		"for who asks":                   {next, func(p *Pulls) { p.Ask(Reason{}) }, time.Minute},
		"for who asks late":              {next, func(p *Pulls) { time.Sleep(2 * time.Minute); p.Ask(Reason{}) }, 2 * time.Minute},
		"for who has gone":               {next, func(p *Pulls) { p.Ask(Reason{}); p.Hold(ErrHeld) }, time.Hour},
		"for who is in a hurry":          {next, func(p *Pulls) { p.Hurry(Reason{}) }, 0},
		"for who is in a hurry, as held": {Again{Wait: time.Hour, Asked: time.Hour, Held: time.Hour}, func(p *Pulls) { p.Hurry(Reason{}) }, time.Hour},
		"no longer for who asks":         {Again{Wait: time.Second, Asked: time.Minute}, func(p *Pulls) { p.Ask(Reason{}) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPulls(Settings{}, time.Now, nil)
				began := time.Now()
				var f Failures
				go c.do(p)
				if err := p.Rest(t.Context(), sleepOf, began, c.next, &f); err != nil || time.Since(began) != c.want {
					t.Errorf("rests %s: %v", time.Since(began), err)
				}
				if f.short != (c.want < c.next.Wait) {
					t.Errorf("cut short: %v", f.short)
				}
			})
		})
	}
}

func TestWhatIsStuckIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("topic crm.people: TOPIC_AUTHORIZATION_FAILED")
		p, stop := pollBy(t, Settings{}, 0, time.Minute, nil)
		defer stop()
		ticket, err := p.Ask(Reason{Name: ReasonManual})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { p.Stuck(refused) })
		began := time.Now()
		if _, err := ticket.Wait(t.Context()); !errors.Is(err, refused) || time.Since(began) != time.Second {
			t.Errorf("who waits is told %v after %s", err, time.Since(began))
		}
		if _, err := p.Ask(Reason{Name: ReasonManual}); !errors.Is(err, refused) {
			t.Errorf("who asks is told %v", err)
		}
		p.Stuck(nil)
		if ticket, err = p.Ask(Reason{Name: ReasonManual}); err != nil {
			t.Fatal(err)
		}
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Errorf("once it is not: told %v", err)
		}
	})
}

func TestWhoWaitsForSomethingElseThanAPullIsToldThatItIsStuck(t *testing.T) {
	refused := errors.New("topic crm.people: TOPIC_AUTHORIZATION_FAILED")
	p := NewPulls(Settings{}, time.Now, func() float64 { return 0.5 })
	for range 2 {
		sound, done := p.WhileSound(t.Context())
		if sound.Err() != nil {
			t.Fatalf("before: %v", context.Cause(sound))
		}
		p.Stuck(refused)
		p.Stuck(refused)
		if <-sound.Done(); !errors.Is(context.Cause(sound), refused) {
			t.Errorf("told %v", context.Cause(sound))
		}
		done()
		late, done := p.WhileSound(t.Context())
		if <-late.Done(); !errors.Is(context.Cause(late), refused) {
			t.Errorf("who comes later is told %v", context.Cause(late))
		}
		done()
		p.Stuck(nil)
	}
	p.Stuck(refused)
	if p.Anew(); p.IsStuck() != nil {
		t.Error("another life is stuck by the last one")
	}
	if sound, done := p.WhileSound(t.Context()); sound.Err() != nil {
		t.Errorf("in another life: %v", context.Cause(sound))
	} else {
		done()
	}
}

// TestATopicThatCannotBeOpenedIsTriedSoonerForWhoAsks: all who ask share that try.
func TestATopicThatCannotBeOpenedIsTriedSoonerForWhoAsks(t *testing.T) {
	for _, c := range []struct {
		name       string
		asked      []time.Duration
		stuck      bool
		wait, want time.Duration
	}{
		{"nobody", nil, true, time.Minute, time.Minute},
		{"one who asks at once", []time.Duration{0}, true, time.Minute, askedMax},
		{"many who ask", []time.Duration{time.Second, 2 * time.Second, 9 * time.Second}, true, time.Minute, askedMax},
		{"one who asks late", []time.Duration{25 * time.Second}, true, time.Minute, 25 * time.Second},
		{"a wait that is short", []time.Duration{time.Second}, true, 4 * time.Second, 4 * time.Second},
		{"a topic that is not stuck", []time.Duration{time.Second}, false, time.Minute, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPulls(Settings{}, time.Now, func() float64 { return 0.5 })
				if c.stuck {
					p.Stuck(errors.New("refused"))
				}
				for _, at := range c.asked {
					time.AfterFunc(at, p.Hasten)
				}
				began := time.Now()
				if err := p.Hastened(t.Context(), sleepOf, c.wait); err != nil || time.Since(began) != c.want {
					t.Errorf("it waited %s, want %s (%v)", time.Since(began), c.want, err)
				}
			})
		})
	}
}

// TestTriesForThoseWhoAskMakeNoWaitLonger: who asks at the first failure again and again would
// else have what nobody asks for wait for minutes, although the API was ill for one.
func TestTriesForThoseWhoAskMakeNoWaitLonger(t *testing.T) {
	env := Env{Random: func() float64 { return 0.5 }}
	err := &RetryError{Reason: RetryServer, Err: errors.New("500")}
	var f Failures
	for range 3 {
		env.Again(err, &f)
	}
	was := env.Again(err, &f).Wait
	for range 20 {
		f.short = true
		if got := env.Again(err, &f); got.Wait != was || !got.Loud || got.Asked > askedMax {
			t.Fatalf("waits %s, or %s for who asks; before %s", got.Wait, got.Asked, was)
		}
	}
	f.short = false
	if got := env.Again(err, &f).Wait; got != 2*was {
		t.Errorf("the next by itself is waited for %s, after %s", got, was)
	}
}
