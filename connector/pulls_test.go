package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A pollerOf notes when its pulls began and why. Each takes so long, does something if
// there is anything to do, and reaches its end.
type pollerOf struct {
	*Pulls
	mu    sync.Mutex
	began []time.Duration
	why   []string
}

func pollBy(t *testing.T, set Settings, ran Instant, took time.Duration, do func(*Pulls) error) (*pollerOf, func()) {
	zero := time.Now()
	p := &pollerOf{Pulls: NewPulls(set, time.Now, func() float64 { return 0.5 })}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		p.Enter(ran, nil)
		for p.Wait(ctx, sleepOf, time.Time{}) == nil {
			why := NamesOf(p.Begin())
			p.mu.Lock()
			p.why, p.began = append(p.why, why), append(p.began, time.Since(zero))
			p.mu.Unlock()
			time.Sleep(took)
			if do != nil {
				if err := do(p.Pulls); err != nil {
					p.Refuse(err)
					return
				}
			}
			p.Reached()
			p.End()
		}
	})
	return p, func() { cancel(); wg.Wait() }
}

func (p *pollerOf) pulls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.began)
}

func sleepOf(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func hourly(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }

func TestPullsRunWhenTheTriggersSay(t *testing.T) {
	for name, c := range map[string]struct {
		set  Settings
		took time.Duration
		ran  time.Duration // before the start
		want string
		why  string
	}{
		"at the start and an interval apart": {
			set: Settings{Interval: time.Minute, Triggers: Triggers{OnRestart: true}}, took: time.Second,
			want: "0s 1m0s 2m0s", why: "startup schedule schedule",
		},
		"not at the start": {set: Settings{Interval: time.Minute}, took: time.Second, want: "1m0s 2m0s", why: "schedule schedule"},
		"by a cron expression": {
			set: Settings{Triggers: Triggers{Cron: []Cron{{Next: hourly}}}}, want: "1h0m0s 2h0m0s", why: "schedule schedule",
		},
		"once for runs missed while the pull before took its time": {
			set: Settings{Triggers: Triggers{Cron: []Cron{{Next: hourly}}}}, took: 150 * time.Minute,
			want: "1h0m0s 3h30m0s 6h0m0s", why: "schedule schedule schedule",
		},
		"once for runs missed while nobody was there": {
			set: Settings{Triggers: Triggers{Cron: []Cron{{Next: hourly}}}}, ran: 5 * time.Hour,
			want: "0s 1h0m0s", why: "schedule schedule",
		},
		"by the earlier of two expressions": {
			set:  Settings{Triggers: Triggers{Cron: []Cron{{Next: hourly}, {Next: func(t time.Time) time.Time { return hourly(t.Add(20 * time.Minute)).Add(-20 * time.Minute) }}}}},
			want: "40m0s 1h0m0s", why: "schedule schedule",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // begins at a full hour
				var ran Instant
				if c.ran > 0 {
					ran = InstantOf(time.Now().Add(-c.ran))
				}
				p, stop := pollBy(t, c.set, ran, c.took, nil)
				n := len(strings.Fields(c.want))
				for range 10_000 {
					if time.Sleep(time.Minute); p.pulls() >= n {
						break
					}
				}
				stop()
				var at []string
				for _, d := range p.began[:min(n, len(p.began))] {
					at = append(at, d.String())
				}
				if got := strings.Join(at, " "); got != c.want {
					t.Errorf("pulls began after %s", got)
				}
				if got := strings.Join(p.why[:len(at)], " "); got != c.why {
					t.Errorf("pulls ran because of %s", got)
				}
			})
		})
	}
}

func TestThoseWhoAskWithinTheDelayShareAPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := pollBy(t, Settings{Triggers: Triggers{Delay: 50 * time.Millisecond}}, 0, time.Second, nil)
		defer stop()
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 200 * time.Microsecond) // the last 40 ms after the first
				ticket, err := p.Ask(Reason{Name: ReasonBeforeList})
				if err != nil {
					t.Error(err)
					return
				}
				asked := time.Now()
				if pull, err := ticket.Wait(t.Context()); err != nil || pull.Began.Before(asked) {
					t.Errorf("the pull began %s before it was asked for: %v", asked.Sub(pull.Began), err)
				}
			})
		}
		wg.Wait()
		if p.pulls() != 1 || p.began[0] != 50*time.Millisecond {
			t.Errorf("pulls began after %v", p.began)
		}
	})
}

func TestWhoAsksDuringAPullGetsTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := pollBy(t, Settings{}, 0, time.Second, nil)
		defer stop()
		first, _ := p.Ask(Reason{Name: ReasonManual})
		time.Sleep(500 * time.Millisecond)
		second, _ := p.Ask(Reason{Name: ReasonAfterUpdate})
		a, errA := first.Wait(t.Context())
		b, errB := second.Wait(t.Context())
		if errA != nil || errB != nil || !b.Began.Equal(a.Ended) || len(b.Reasons) != 1 || b.Reasons[0] != ReasonAfterUpdate {
			t.Errorf("%+v %v, then %+v %v", a, errA, b, errB)
		}
	})
}

func TestWhoWaitsIsToldOfAFailure(t *testing.T) {
	broken := errors.New("the API is broken")
	for name, c := range map[string]struct {
		do   func(p *Pulls) error
		want string
	}{
		"of a request that fails again and again": {func(p *Pulls) error { p.Failing(broken); return nil }, "broken"},
		"of a collection that stops":              {func(p *Pulls) error { return broken }, "broken"},
		"of an operator's hold":                   {func(p *Pulls) error { p.Hold(ErrHeld); return nil }, "paused"},
		"of a reading without an end":             {func(p *Pulls) error { p.End(); return nil }, "end"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, stop := pollBy(t, Settings{}, 0, 0, c.do)
				defer stop()
				ticket, err := p.Ask(Reason{Name: ReasonManual})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ticket.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("told %v", err)
				}
			})
		})
	}
}

func TestNothingIsPulledWhileItIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := pollBy(t, Settings{Interval: time.Minute}, 0, 0, nil)
		defer stop()
		p.Hold(ErrHeld)
		time.Sleep(time.Hour)
		if p.pulls() > 0 || !p.Next().IsZero() {
			t.Errorf("%d pulls began, the next is at %v", p.pulls(), p.Next())
		}
		if _, err := p.Ask(Reason{Name: ReasonManual}); !errors.Is(err, ErrHeld) {
			t.Errorf("whoever asks is told %v", err)
		}
		passed := make(chan error, 1)
		go func() { passed <- p.Pass(t.Context(), sleepOf) }()
		synctest.Wait()
		select {
		case <-passed:
			t.Error("a request passes")
		default:
		}
		stop() // the poller and a request do not sleep beside each other
		p.Hold(nil)
		if err := <-passed; err != nil {
			t.Error(err)
		}
	})
}

// A handler reads what the reasons name, and may heed their filters: whoever is left out would
// take it that his part was read.
func TestOfManyReasonsNoneIsForgotten(t *testing.T) {
	p := NewPulls(Settings{}, time.Now, func() float64 { return 0.5 })
	p.Enter(0, nil)
	var tickets []*Ticket
	ask := func(r Reason) {
		ticket, err := p.Ask(r)
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	for i := range 1000 {
		ask(Reason{Name: ReasonManual, Collection: fmt.Sprint(i)})
	}
	ask(Reason{Name: ReasonBeforeList, Collection: "people", Filter: json.RawMessage(`"a"`)})
	ask(Reason{Name: ReasonBeforeList, Collection: "people", Filter: json.RawMessage(`"b"`)})
	p.Begin()
	p.Enter(0, nil) // another life
	reasons := p.Begin()
	if len(reasons) > maxReasons+len(ReasonNames) {
		t.Errorf("%d reasons", len(reasons))
	}
	named, filters := map[string]bool{}, 0
	for _, r := range reasons {
		named[r.Collection] = true
		for _, c := range r.Affected {
			named[c] = true
		}
		if r.Name == ReasonBeforeList && r.Filter != nil {
			filters++
		}
	}
	for i := range 1000 {
		if !named[fmt.Sprint(i)] {
			t.Fatalf("collection %d was forgotten", i)
		}
	}
	if filters > 0 {
		t.Error("one filter stands for two")
	}
	p.Reached()
	for _, ticket := range tickets {
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask(Reason{Name: ReasonManual, Collection: "people"})
	for range maxReasons {
		ask(Reason{Name: ReasonManual})
	}
	if slices.IndexFunc(p.Begin(), func(r Reason) bool { return r.Name == ReasonManual && !r.named() }) < 0 {
		t.Error("who asks for all of them gets one")
	}
}

// A pull may take hours, and who has gone meanwhile is not remembered.
func TestThoseWhoWaitForOnePullTakeNoMemory(t *testing.T) {
	p := NewPulls(Settings{}, time.Now, func() float64 { return 0.5 })
	p.Enter(0, nil)
	for range 2 {
		for range 10_000 {
			if _, err := p.Ask(Reason{Name: ReasonManual, Records: json.RawMessage(strings.Repeat(" ", 10_000))}); err != nil {
				t.Fatal(err)
			}
		}
		if len(p.waiting)+len(p.running) > 2 || p.weight > 0 && len(p.asked)*10_000 > maxWeight {
			t.Errorf("%d and %d are remembered, %d reasons", len(p.waiting), len(p.running), len(p.asked))
		}
		p.Begin()
	}
}

// A lane that fails in the middle of a pull pulls again, for whoever waits.
func TestWhoWaitsOutlivesALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPulls(Settings{Triggers: Triggers{Delay: time.Second}}, time.Now, func() float64 { return 0.5 })
		p.Enter(0, nil)
		ticket, _ := p.Ask(Reason{Name: ReasonAfterCreate})
		if err := p.Wait(t.Context(), sleepOf, time.Time{}); err != nil {
			t.Fatal(err)
		}
		p.Begin()
		p.Enter(0, nil)
		if err := p.Wait(t.Context(), sleepOf, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if why := NamesOf(p.Begin()); why != "schedule,after-create" {
			t.Errorf("pulled again because of %s", why)
		}
		p.Reached()
		if _, err := ticket.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTheLongestGapOfASchedule(t *testing.T) {
	weekdays := func(t time.Time) time.Time { // at six
		for t = hourly(t); t.Hour() != 6 || t.Weekday() == time.Saturday || t.Weekday() == time.Sunday; {
			t = hourly(t)
		}
		return t
	}
	for name, c := range map[string]struct {
		set  Settings
		want time.Duration
	}{
		"an interval":        {Settings{Interval: time.Minute}, time.Minute},
		"every hour":         {Settings{Triggers: Triggers{Cron: []Cron{{Next: hourly}}}}, time.Hour},
		"on weekdays at six": {Settings{Triggers: Triggers{Cron: []Cron{{Next: weekdays}}}}, 72 * time.Hour},
		"whoever asks":       {Settings{}, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NewPulls(c.set, func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }, nil).Gap(); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestWhoIsInAHurryDoesNotWaitForTheNextTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPulls(Settings{}, time.Now, nil)
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			p.Ask(Reason{Name: ReasonManual}) // who only asks is not as fast
			time.Sleep(time.Second)
			p.Hurry(Reason{Name: ReasonManual})
		}()
		rest := func() {
			t.Helper()
			if err := p.Rest(t.Context(), sleepOf, time.Now(), Again{Wait: time.Minute, Asked: 10 * time.Second}, new(Failures)); err != nil {
				t.Error(err)
			}
		}
		if rest(); time.Since(began) != 2*time.Second {
			t.Errorf("rests %s", time.Since(began))
		}
		p.Failing(errors.New("the API is broken"))
		if rest(); time.Since(began) != time.Minute+2*time.Second {
			t.Errorf("rests the next time until after %s", time.Since(began))
		}
	})
}

// TestOfAnIntervalBesideACronExpressionFewPullsAreNoted: to note one is a transaction, and an
// idle poll writes nothing.
func TestOfAnIntervalBesideACronExpressionFewPullsAreNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at a full hour
		for _, ran := range []Instant{0, InstantOf(time.Now().Add(-90 * time.Minute))} {
			begin, noted := time.Now(), []string{}
			_, stop := pollBy(t, Settings{Interval: time.Minute, Triggers: Triggers{Cron: []Cron{{Next: hourly}}}}, ran, time.Second, func(p *Pulls) error {
				if p.ByCron() {
					noted = append(noted, time.Since(begin).Truncate(time.Minute).String())
				}
				return nil
			})
			time.Sleep(179 * time.Minute)
			stop()
			want := "1m0s 1h0m0s 2h0m0s"
			if ran > 0 {
				want = "0s 1h0m0s 2h0m0s" // one was missed
			}
			if got := strings.Join(noted, " "); got != want {
				t.Errorf("with %d: noted after %s, want %s", ran, got, want)
			}
			time.Sleep(time.Until(begin.Add(3 * time.Hour)))
		}
	})
}
