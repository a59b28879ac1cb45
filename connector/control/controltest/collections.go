package controltest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"tributary/connector"
	"tributary/connector/control"
)

// Collection returns one that runs well.
func Collection(source, collection string) control.Collection {
	at := func(before time.Duration) *time.Time { t := Began.Add(-before); return &t }
	fresh := 0.0
	return control.Collection{
		Name: control.Name{Source: source, Collection: collection}, Topic: source + "." + collection, State: connector.StateRunning,
		Cursor: at(time.Minute), CaughtUp: at(2 * time.Second), LastAttempt: at(2 * time.Second), LastSuccess: at(2 * time.Second),
		LastChange: at(time.Minute), NextRun: at(-28 * time.Second), Lag: &fresh, Interval: 30,
		Rate: 1.5, Upserts: 120, Deletions: 3, Records: 4711,
	}
}

// Many returns n collections of n/100 sources, most of which run well: what a large
// deployment looks like.
func Many(n int) []control.Collection {
	random := rand.New(rand.NewPCG(1, 2)) // the same every time
	collections := make([]control.Collection, 0, n)
	for i := range n {
		c := Collection(fmt.Sprintf("source-%03d", i/100), fmt.Sprintf("collection-%02d", i%100))
		c.Lane = int32(i / 100 % 4)
		c.Rate, c.Records = random.Float64()*20, random.IntN(1_000_000)
		switch random.IntN(200) {
		case 0:
			Fail(&c, connector.StateStopped, "its topic was deleted while it was not running", "tributary state reset "+c.Name.String()+" --republish")
		case 1, 2:
			Fail(&c, connector.StateBackoff, "GET /v2/things: 503 Service Unavailable", "")
		case 3:
			Fail(&c, connector.StateReauthRequired, "the credential is refused: 401", "tributary auth login "+c.Source)
		case 4:
			c.State, c.Hold, c.NextRun = connector.StatePaused, control.HoldPaused, nil
		case 5:
			c.State, c.Lag, c.CaughtUp = connector.StateRestoring, nil, nil
			c.Backfill = &control.Backfill{Records: c.Records, PerSecond: 900, At: "2024-05-01T00:00:00Z", Behind: 5e7}
		}
		collections = append(collections, c)
	}
	return collections
}

// Fail makes a collection one that has a problem.
func Fail(c *control.Collection, state, why, remedy string) {
	lag := 754.0
	c.State, c.Why, c.Remedy, c.Lag = state, why, remedy, &lag
	c.LastError = &control.Failure{At: Began.Add(-10 * time.Second), Text: why}
	if state == connector.StateStopped {
		c.NextRun = nil
	}
}
