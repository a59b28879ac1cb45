package rest

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"tributary/connector"
)

// tooMany is how the source reports an answer 429.
func tooMany(after time.Duration) error {
	return &connector.RetryError{Reason: connector.RetryThrottled, After: after, Err: errors.New("429")}
}

func TestOne429HoldsBackAllOfTheSource(t *testing.T) {
	// The API's clock is 20 s into a minute, ours 30 s, and the years differ.
	date := time.Date(2031, 5, 6, 7, 8, 20, 0, time.UTC)
	minute := Budget{PerMinute: 600, Share: 1, Window: WindowMinute, Remaining: "left"}
	for name, c := range map[string]struct {
		budget Budget
		header http.Header
		after  time.Duration // as it is in the error
		want   time.Duration
	}{
		"for as long as it says":                       {minute, http.Header{"Retry-After": {"7"}}, 7 * time.Second, 7 * time.Second},
		"to the end of the API's minute":               {minute, nil, 0, 40 * time.Second},
		"also when the header says that it is used up": {minute, http.Header{"Left": {"0"}}, 0, 40 * time.Second},
		"not for long if there is much left":           {minute, http.Header{"Left": {"300"}}, 0, holdMin},
		"to when it begins anew":                       {Budget{}, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"95"}}, 0, 95 * time.Second},
		"not for days":                                 {Budget{}, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"900000"}}, 0, time.Hour},
		"a moment, if nothing is known":                {Budget{}, nil, 0, holdMin},
		"a moment, if it says at once":                 {minute, http.Header{"Retry-After": {"0"}}, 0, holdMin},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.budget, func(t *testing.T, l *limiter) {
				var turns []*turn
				for range 4 { // all of them in flight when the first is refused
					turn, err := l.wait(t.Context(), urgent(connector.Live), kindList)
					if err != nil {
						t.Fatal(err)
					}
					turns = append(turns, turn)
				}
				began := time.Now()
				for _, turn := range turns {
					h := c.header.Clone()
					if h == nil {
						h = http.Header{}
					}
					turn.done(h, date.Add(time.Since(began)), tooMany(c.after))
				}
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						ask(t, l, urgent(connector.Live))
						if waited := time.Since(began); waited < c.want-time.Second/2 || waited < holdMin {
							t.Errorf("one was sent after %s, want %s", waited, c.want)
						}
					})
				}
				wg.Wait()
				if waited := time.Since(began); waited > c.want+3*time.Second {
					t.Errorf("the last was sent after %s, want soon after %s", waited, c.want)
				}
			})
		})
	}
}

func TestOneRequestTriesForAllAfterAHold(t *testing.T) {
	bubble(t, Budget{}, func(t *testing.T, l *limiter) {
		turn, err := l.wait(t.Context(), urgent(connector.Live), kindList)
		if err != nil {
			t.Fatal(err)
		}
		turn.done(http.Header{}, time.Time{}, tooMany(0))
		refused, sent := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		over := time.Now().Add(20 * time.Second)
		for range 50 {
			wg.Go(func() {
				for {
					turn, err := l.wait(t.Context(), urgent(connector.Live), kindList)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(100 * time.Millisecond)
					mu.Lock()
					sent++
					if time.Now().After(over) {
						mu.Unlock()
						turn.done(http.Header{}, time.Time{}, nil)
						return
					}
					refused++
					mu.Unlock()
					turn.done(http.Header{}, time.Time{}, tooMany(0))
				}
			})
		}
		wg.Wait()
		if refused < 3 || refused > 7 {
			t.Errorf("%d requests were refused within 20 s, by doubling waits it is 5", refused)
		}
	})
}

func TestATrialThatHangsDoesNotHoldUpTheOthers(t *testing.T) {
	bubble(t, Budget{}, func(t *testing.T, l *limiter) {
		turn, _ := l.wait(t.Context(), urgent(connector.Live), kindList)
		turn.done(http.Header{}, time.Time{}, tooMany(0))
		if _, err := l.wait(t.Context(), urgent(connector.Live), kindList); err != nil { // is never answered
			t.Fatal(err)
		}
		began := time.Now()
		ask(t, l, urgent(connector.Live))
		if waited := time.Since(began); waited > trialMax+time.Second {
			t.Errorf("waited %s", waited)
		}
	})
}
