//go:build unix

package browser

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tributary/connector"
	"tributary/connector/control"
)

var people = control.Name{Source: "salesloft-eu", Collection: "people"}

// detailed waits until the details of a collection are shown.
func (p *tab) detailed(name string) *tab {
	p.t.Helper()
	p.until(`!document.querySelector("#d-body").hidden && document.querySelector("#d-name").textContent === "` + name + `"`)
	return p
}

func TestACollectionIsPulledPausedResumedAndSwept(t *testing.T) {
	t.Parallel()
	plane := few()
	p := open(t, serve(t, plane).URL, 1440, 900).listed()
	p.click(`#rows tr td.wrong`) // anywhere in the row
	p.detailed("salesloft-eu.people")

	p.click("#a-pull")
	p.until(`document.querySelector("#d-result .positions")`)
	if got := eval[string](p, `document.querySelector("#d-result .positions tbody").innerText`); strings.Join(strings.Fields(got), " ") != "salesloft-eu.people 0 42" {
		t.Errorf("the positions are %q", got)
	}

	p.click("#a-pause")
	p.until(`document.querySelector("#confirm").open`)
	p.click("#c-no")
	p.until(`!document.querySelector("#confirm").open`)
	p.click("#a-pause")
	p.press("\x1b")
	p.until(`!document.querySelector("#confirm").open && !document.querySelector("#details").hidden`)
	if calls := plane.Calls(); len(calls) != 1 {
		t.Errorf("what was not confirmed was done: %q", calls)
	}
	p.click("#a-pause")
	p.click("#c-yes")
	p.until(`document.querySelector("#d-state").innerText.includes("paused") && document.querySelector("#a-pause").hidden`)
	p.click("#a-resume")
	p.until(`document.querySelector("#d-state").innerText.includes("running") && document.querySelector("#a-resume").hidden`)

	p.click("#a-sweep")
	p.click("#c-yes")
	p.until(`document.querySelector("#d-facts").innerText.includes("runs")`)
	if want := []string{"pull salesloft-eu.people manual", "hold paused salesloft-eu.people", "hold  salesloft-eu.people", "sweep approve=false salesloft-eu.people"}; !slices.Equal(plane.Calls(), want) {
		t.Errorf("the plane was asked for %q, want %q", plane.Calls(), want)
	}
}

func TestAGuardedSweepIsApprovedByAnotherClick(t *testing.T) {
	t.Parallel()
	plane := allWrong()
	p := open(t, serve(t, plane).URL+"/#/eu.cadences", 1440, 900).detailed("eu.cadences")
	p.click("#a-sweep")
	p.click("#c-check")
	p.click("#c-yes")
	p.until(`document.querySelector("#d-result").innerText.includes("due now")`)
	if want := "sweep approve=true eu.cadences"; !slices.Contains(plane.Calls(), want) {
		t.Errorf("the plane was asked for %q, want %q", plane.Calls(), want)
	}
}

func TestWhatFailsIsShownWithItsRemedy(t *testing.T) {
	t.Parallel()
	plane := few()
	plane.OnPull = func(context.Context, control.Name, connector.Reason) (control.Pulled, error) {
		return control.Pulled{}, &control.Error{Kind: control.Failed, Detail: "GET /v2/people: 401 Unauthorized", Remedy: "renew its credential"}
	}
	plane.OnOperate = func(string, control.Name) error {
		return &control.Error{Kind: control.Unavailable, Detail: "its lane is being acquired", Remedy: "ask again"}
	}
	p := open(t, serve(t, plane).URL+"/#/salesloft-eu.people", 1440, 900).detailed("salesloft-eu.people")
	p.expect("502 (Bad Gateway)", "503 (Service Unavailable)")
	p.click("#a-pull")
	p.until(`(t => t.includes("401 Unauthorized") && t.includes("renew its credential"))(document.querySelector("#d-result").innerText)`)
	p.click("#a-pause")
	p.click("#c-yes")
	p.until(`document.querySelector("#d-result").innerText.includes("its lane is being acquired")`)
}

func TestVersionsOfARecordAreComparedWithTheirNeighbours(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, few()).URL+"/#/salesloft-eu.people", 1440, 900).detailed("salesloft-eu.people")
	p.do(chromedp.SendKeys(chromedp.CSS("#d-key"), "7\r"))
	p.until(`document.querySelectorAll("#d-changes > li").length === 4 && location.hash.endsWith("?key=7")`)
	heads := eval[[]string](p, `[...document.querySelectorAll("#d-changes .version-head b")].map(e => e.textContent)`)
	if want := []string{"changed", "made again", "deleted", "oldest that was found"}; !slices.Equal(heads, want) {
		t.Errorf("the versions are %q, want %q", heads, want)
	}
	lines := func(tag string) []string {
		return eval[[]string](p, `[...document.querySelectorAll("#d-changes > li:first-child `+tag+`.line")].map(e => e.textContent.slice(1))`)
	}
	if got, want := lines("del"), []string{`"name": "Ada Example",`, `"stage": "lead",`, `"trial"`}; !slices.Equal(got, want) {
		t.Errorf("gone is %q, want %q", got, want)
	}
	if got, want := lines("ins"), []string{`"name": "Ada Example-Lovelace",`, `"stage": "customer",`, `"vip",`, `"phone": "+49 30 555 01"`}; !slices.Equal(got, want) {
		t.Errorf("new is %q, want %q", got, want)
	}
	if got := eval[string](p, `document.querySelector("#d-changes ins mark").textContent`); got != "-Lovelace" {
		t.Errorf("within the text %q is marked", got)
	}
	p.click("#d-changes > li:first-child .fold")
	p.until(`document.querySelector("#d-changes > li:first-child").innerText.includes("\"score\": 12345678901234567890,")`)
	meta := eval[string](p, `document.querySelector("#d-changes .meta").innerText`)
	for _, want := range []string{"batch 871", "partition 3", "offset 99120"} {
		if !strings.Contains(meta, want) {
			t.Errorf("the version says %q and not %q", meta, want)
		}
	}
}

func TestEventsOfACollectionAppearAsTheyHappenAndFromBefore(t *testing.T) {
	t.Parallel()
	plane := few()
	tell := func(n control.Name, kind control.EventType, data any) {
		plane.Events().Tell(control.Event{Type: kind, Source: n.Source, Collection: n.Collection, Data: data})
	}
	tell(people, control.EventPull, control.PullEnded{Reasons: []string{"schedule"}, Seconds: 0.5, Changed: true})
	p := open(t, serve(t, plane).URL+"/#/salesloft-eu.people", 1440, 900).detailed("salesloft-eu.people")
	p.until(`document.querySelector("#d-events").innerText.includes("found changes in 0.50 s (schedule)")`)
	for range 500 {
		tell(people, control.EventCommit, control.Committed{Upserts: 3, Deletions: 1})
	}
	tell(control.Name{Source: "hubspot", Collection: "deals"}, control.EventLog, control.LogLine{Level: "error", Message: "of another one"})
	tell(people, control.EventLog, control.LogLine{Level: "error", Message: "the last of all"})
	p.until(`document.querySelector("#d-events").innerText.includes("the last of all")`)
	text := eval[string](p, `document.querySelector("#d-events").innerText`)
	if !strings.Contains(text, "1,500 upserts, 500 deletions in 500 transactions") || strings.Contains(text, "of another one") {
		t.Errorf("the events are %q", text)
	}
	for i := range 200 {
		tell(people, control.EventPull, control.PullEnded{Seconds: float64(i), Reasons: []string{"manual"}})
	}
	p.until(`document.querySelector("#d-events").innerText.includes("199.00 s")`)
	if n := eval[int](p, `document.querySelectorAll("#d-events li").length`); n > 60 {
		t.Errorf("%d events are in the document", n)
	}
}

func TestAnAddressOfWhatIsNotThereSaysSo(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, few()).URL+"/#/nobody.nothing?key=1", 1440, 900)
	p.expect("404 (Not Found)")
	p.until(`document.querySelector("#d-empty").innerText.includes("there is no collection nobody.nothing")`)
	if !eval[bool](p, `document.querySelector("#d-body").hidden`) {
		t.Error("buttons are offered for a collection that there is not")
	}
}

func TestAHandlerIsAskedForADump(t *testing.T) {
	t.Parallel()
	plane := few()
	p := open(t, serve(t, plane).URL+"/#/billing.invoices", 1440, 900).detailed("billing.invoices")
	p.until(`document.querySelector("#a-sweep").innerText === "Dump"`)
	p.click("#a-sweep")
	p.until(`document.querySelector("#c-title").innerText === "Dump billing.invoices?"`)
	p.click("#c-yes")
	p.until(`document.querySelector("#d-result").innerText === "A dump is due now."`)
}
