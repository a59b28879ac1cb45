//go:build unix

package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// names are the collections that are shown, in their order.
func (p *tab) names() []string {
	return eval[[]string](p, `[...document.querySelectorAll("#rows .name")].map(e => e.textContent)`)
}

// listed waits until the list is shown.
func (p *tab) listed() *tab {
	p.t.Helper()
	p.until(`document.querySelector("#rows tr") && document.querySelector("#group").textContent`)
	return p
}

func TestTenThousandCollectionsAreShownAPageAtATime(t *testing.T) {
	t.Parallel()
	plane := many(10_000)
	p := open(t, serve(t, plane).URL, 1440, 900).listed()
	const bound = 2500
	check := func(when string) {
		t.Helper()
		if n := eval[int](p, `document.querySelectorAll("#rows tr").length`); n != 50 {
			t.Errorf("%s: %d rows are in the document, want 50", when, n)
		}
		if n := eval[int](p, `document.querySelectorAll("*").length`); n > bound {
			t.Errorf("%s: %d elements are in the document, want at most %d", when, n, bound)
		}
	}
	check("at first")
	if got := eval[string](p, `document.querySelector("#range").textContent`); got != "1–50 of 10,000" {
		t.Errorf("it shows %q", got)
	}
	first := p.names()[0]
	p.click("#next")
	p.until(`document.querySelector("#range").textContent.startsWith("51–100")`)
	if now := p.names()[0]; now == first {
		t.Errorf("the second page begins with %s too", now)
	}
	check("on the second page")

	// A hundred change again and again for two seconds: the page asks at its own pace.
	before, began, changes := p.asked("/v1/"), time.Now(), 0
	since := eval[float64](p, `performance.now()`)
	flip := time.NewTicker(20 * time.Millisecond)
	defer flip.Stop()
	for range flip.C {
		state := []string{connector.StateBackoff, connector.StateRunning}[changes/100%2]
		for i := range 100 {
			plane.Set(control.Name{Source: "source-000", Collection: fmt.Sprintf("collection-%02d", i)}, func(c *control.Collection) { c.State = state })
			changes++
		}
		// It looks twice at least, however long a look takes on a busy machine.
		if lasted := time.Since(began); lasted > 2*time.Second && (p.asked("/v1/")-before >= 2 || lasted > patience) {
			break
		}
	}
	plane.Set(control.Name{Source: "source-000", Collection: "collection-07"}, func(c *control.Collection) { c.State = connector.StateQuarantined })
	p.until(`document.querySelector('.tile[data-state="quarantined"] b').textContent === "1"`)
	asked, allowed := p.asked("/v1/")-before, 4+2*int(time.Since(began)/time.Second)
	if asked > allowed {
		t.Errorf("%d changes made the page ask %d times within %v, want at most %d", changes, asked, time.Since(began), allowed)
	}
	// However long a look takes: timers are late on a busy machine, and never early.
	looks := eval[[]float64](p, fmt.Sprintf(`performance.getEntriesByType("resource").filter(e => e.name.includes("/v1/collections?") && e.startTime > %f).map(e => e.startTime)`, since))
	if len(looks) < 2 {
		t.Errorf("it looked %d times", len(looks))
	}
	for i := 1; i < len(looks); i++ {
		if gap := looks[i] - looks[i-1]; gap < 900 {
			t.Errorf("it looked again after %.0f ms", gap)
		}
	}
	check("after many changes")
	if said := eval[string](p, `document.querySelector("#said").textContent`); len(said) > 200 {
		t.Errorf("whoever listens has to hear %d letters: %s", len(said), said)
	}
}

func TestTheListIsLaidOutWhenATimeChangesAndNotInBetween(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, many(1000)).URL, 1440, 900).listed()
	call(p, performance.Enable, performance.EnableParams{})
	layouts := func() float64 {
		for _, m := range call(p, performance.GetMetrics, cdp.Empty{}).Metrics {
			if m.Name == "LayoutCount" {
				return m.Value
			}
		}
		t.Fatal("the browser does not count layouts")
		return 0
	}
	p.until(`document.querySelector(".gauge:not([hidden])")`)
	before, began := layouts(), eval[float64](p, `performance.now()`)
	p.until(fmt.Sprintf(`performance.now() > %f + 4000`, began))
	seconds := (eval[float64](p, `performance.now()`) - began) / 1000
	if n := layouts() - before; n < 1 || n > 10+5*seconds {
		t.Errorf("it was laid out %.0f times in %.0f s", n, seconds)
	}
}

func TestWhatIsWrongIsFirstAndWithItsRemedy(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, allWrong()).URL, 1440, 900).listed()
	states := eval[[]string](p, `[...document.querySelectorAll("#rows tr")].map(e => e.dataset.state)`)
	if states[0] != connector.StateStopped || states[1] != connector.StateReauthRequired || states[len(states)-1] != connector.StatePaused {
		t.Errorf("the order is %v", states)
	}
	row := eval[string](p, `document.querySelector('#rows tr[data-state="reauth_required"]').innerText`)
	for _, want := range []string{"sign in again", "us.people", "13\u00a0min", "late", "the credential is refused: 401", "renew its credential"} {
		if !strings.Contains(row, want) {
			t.Errorf("the row lacks %q: %q", want, row)
		}
	}
	if got := eval[string](p, `document.title`); got != "(5) Tributary" {
		t.Errorf("the title is %q", got)
	}
	card := eval[string](p, `document.querySelector('.card[data-source="eu"]').innerText`)
	for _, want := range []string{"12 waiting", "0 left", "share 300/min"} {
		if !strings.Contains(card, want) {
			t.Errorf("the source lacks %q: %q", want, card)
		}
	}
}

func TestTheListIsSearchedFilteredAndSorted(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, many(1000)).URL, 1440, 900).listed()
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "source-003.collection-4"))
	p.until(`document.querySelector("#range").textContent === "1–10 of 10"`)
	for _, name := range p.names() {
		if !strings.HasPrefix(name, "source-003.collection-4") {
			t.Errorf("the search found %s", name)
		}
	}
	p.press("\x1b") // Escape
	p.until(`document.querySelector("#range").textContent.endsWith("of 1,000")`)

	p.click(`.tile[data-state="paused"]`)
	p.until(`[...document.querySelectorAll("#rows tr")].every(e => e.dataset.state === "paused") && location.hash.includes("state=paused")`)
	p.click(`.tile[data-state="all"]`)
	p.until(`document.querySelector("#range").textContent.endsWith("of 1,000")`)

	p.click(`.card[data-source="source-002"]`)
	p.until(`document.querySelector("#range").textContent === "1–50 of 100"`)
	p.click(`th[data-sort="-records"] button`)
	p.until(`document.querySelector('th[aria-sort="descending"]')?.dataset.sort === "-records" && location.hash.includes("sort=-records")`)
	p.until(`(() => { const n = [...document.querySelectorAll("#rows .records")].map(e => +e.textContent.replaceAll(",", "")); return n.every((x, i) => !i || n[i-1] >= x) })()`)

	// The address has all of it.
	address := eval[string](p, `location.href`)
	again := open(t, address, 1440, 900).listed()
	again.until(`document.querySelector("#range").textContent === "1–50 of 100" && document.querySelector("#sort").value === "-records"`)
}

func TestNoCollectionsAndNoneThatFit(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, controltest.New()).URL, 1440, 900)
	p.until(`document.querySelector("#empty").textContent === "The config has no collection."`)

	p = open(t, serve(t, few()).URL+"/#/?search=nowhere", 1440, 900)
	p.until(`document.querySelector("#empty").innerText.startsWith("No collection fits")`)
}

func TestTheListFollowsWhatHappens(t *testing.T) {
	t.Parallel()
	plane := few()
	p := open(t, serve(t, plane).URL, 1440, 900).listed()
	p.until(`document.querySelector("#link-text").textContent === "live"`)
	plane.Set(control.Name{Source: "hubspot", Collection: "deals"}, func(c *control.Collection) {
		c.State, c.Why = connector.StateBackoff, "GET /deals: 503 Service Unavailable"
	})
	p.until(`document.querySelector("#rows tr").innerText.includes("503 Service Unavailable")`)
	// Whoever does not see is told, once.
	p.until(`document.querySelector("#said").textContent === "hubspot.deals is now backoff: GET /deals: 503 Service Unavailable"`)
}
