//go:build unix

package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tributary/connector/control"
	"tributary/connector/control/page"
)

// What an API sends, and what somebody has typed into it, is text wherever it is shown.
func TestNoTextBecomesMarkup(t *testing.T) {
	t.Parallel()
	server := serve(t, allWrong())
	p := open(t, server.URL, 1440, 900).listed()
	p.until(`document.querySelectorAll(".card").length === 3`)
	evil := `<img src=x onerror="window.owned=1">`
	shown := eval[string](p, `document.querySelector('#rows tr[data-state="stopped"]').innerText`)
	if strings.Count(shown, "<img src=x") < 2 {
		t.Errorf("the texts are not shown as they are: %q", shown)
	}
	// By a click, as the address of such a name is made by the page.
	eval[int](p, `document.querySelector('#rows tr[data-state="stopped"] a').click();0`)
	p.until(`document.querySelector("#d-name").textContent === ` + fmt.Sprintf("%q", "eu."+evil) + ` && !document.querySelector("#d-body").hidden`)
	key := `"><script>window.owned=1</script>`
	p.until(`document.querySelector("#d-key").checkVisibility()`)
	eval[int](p, fmt.Sprintf(`(k => { k.value = %q; k.form.requestSubmit() })(document.querySelector("#d-key"));0`, key))
	p.until(`document.querySelectorAll("#d-changes li").length === 2 && document.querySelector("#d-changes-note").textContent.includes("<script>")`)
	if !strings.Contains(eval[string](p, `location.hash`), "key="+url.QueryEscape(key)) {
		t.Error("the address does not have the key")
	}
	address := eval[string](p, `location.href`)
	again := open(t, address, 1440, 900)
	again.until(`document.querySelectorAll("#d-changes li").length === 2`)
	for _, tab := range []*tab{p, again} {
		if eval[bool](tab, `Boolean(window.owned || ({}).owned)`) {
			t.Error("a text was run")
		}
		if n := eval[int](tab, `document.querySelectorAll("img, iframe, object, body script").length`); n > 0 {
			t.Errorf("%d elements were made of texts", n)
		}
	}
}

// A connector is one that can be ended and started again at its address.
type process struct {
	handler *control.Handler
	server  *http.Server
}

func begin(t *testing.T, plane control.Plane, address string) *process {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{handler: control.NewHandler(plane, control.Config{Loopback: true, Page: page.Handler()})}
	p.server = &http.Server{Handler: p.handler, Addr: l.Addr().String()}
	go p.server.Serve(l)
	t.Cleanup(p.end)
	return p
}

func (p *process) end() {
	p.handler.Close()
	p.server.Close()
}

func TestARestartOfTheConnectorIsSurvivedAndSaid(t *testing.T) {
	t.Parallel()
	first := begin(t, few(), "127.0.0.1:0")
	p := open(t, "http://"+first.server.Addr, 1440, 900).listed()
	p.expect("net::ERR_")
	p.until(`document.querySelector("#link-text").textContent === "live"`)
	if p.names()[0] != "salesloft-eu.people" {
		t.Fatalf("the first is %s", p.names()[0])
	}
	first.end()
	p.until(`!document.querySelector("#lost").hidden && document.querySelector("#lost").textContent.startsWith("Not reachable since ")`)
	p.until(`[...document.querySelectorAll("#rows [data-f=age]")].every(e => e.textContent === "unknown")`)
	if got := eval[string](p, `document.querySelector("#link-text").textContent`); got != "not reachable" {
		t.Errorf("the link says %q", got)
	}
	if got := eval[string](p, `document.title`); got != "Tributary: not reachable" {
		t.Errorf("the title is %q", got)
	}
	if n := eval[int](p, `[...document.querySelectorAll("#rows :is(.rate, time)")].filter(e => /ago|in |^[0-9.]+$/.test(e.textContent)).length`); n > 0 {
		t.Errorf("%d cells still say how it is now", n)
	}
	for _, text := range eval[[]string](p, faint) {
		t.Errorf("while it is not reachable: %s", text)
	}

	second := few()
	second.SetInfo(func(i *control.Info) { i.Run, i.Version = "another", "newer" })
	second.Set(people, func(c *control.Collection) { c.Records = 4712 })
	begin(t, second, first.server.Addr)
	p.until(`document.querySelector("#lost").hidden && document.querySelector("#link-text").textContent === "live"`)
	p.until(`document.querySelector("#process").innerText.includes("version newer")`)
	p.until(`document.querySelector("#rows tr").innerText.includes("4,712") && !document.querySelector("#rows tr").innerText.includes("unknown")`)
	// The stream is the new process's.
	second.Set(people, func(c *control.Collection) { c.State, c.Why = "quarantined", "after the restart" })
	p.until(`document.querySelector("#rows tr").innerText.includes("after the restart")`)
}

// A browser has six connections to an origin: tabs in the background leave theirs to others.
func TestATabThatNobodyLooksAtHoldsNoStreamAndMissesNothing(t *testing.T) {
	t.Parallel()
	var streams, opened atomic.Int32
	plane := few()
	server := serve(t, plane, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/events" {
				opened.Add(1)
				streams.Add(1)
				defer streams.Add(-1)
			}
			next.ServeHTTP(w, r)
		})
	})
	tell := func(message string) {
		plane.Events().Tell(control.Event{Type: control.EventLog, Source: people.Source, Collection: people.Collection, Data: control.LogLine{Level: "warn", Message: message}})
	}
	p := open(t, server.URL+"/#/salesloft-eu.people", 1440, 900).detailed("salesloft-eu.people")
	tell("the first")
	p.until(`document.querySelector("#d-events").innerText.includes("the first")`)
	if n := streams.Load(); n != 1 {
		t.Errorf("the page holds %d streams", n)
	}
	look := func(away bool) {
		eval[int](p, fmt.Sprintf(`Object.defineProperty(document, "hidden", {value: %t, configurable: true}); document.dispatchEvent(new Event("visibilitychange")); 0`, away))
	}
	held := opened.Load()
	look(true)
	for deadline := time.Now().Add(patience); streams.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a page that nobody looks at still listens")
		}
	}
	asked := p.asked("/v1/")
	tell("meanwhile")
	if now := p.asked("/v1/"); now != asked {
		t.Errorf("it still asks: %d requests", now-asked)
	}
	time.Sleep(500 * time.Millisecond) // in which one that opens another would have
	if n := opened.Load() - held; n != 0 {
		t.Errorf("it opened %d more streams", n)
	}
	look(false)
	p.until(`document.querySelector("#d-events").innerText.includes("meanwhile")`)
	if n := eval[int](p, `document.querySelector("#d-events").innerText.split("the first").length - 1`); n != 1 {
		t.Errorf("what was shown before is shown %d times", n)
	}
}

// Rows that were fresh when they came would look so for ever.
func TestNoRowsAreShownWhenTheListIsRefused(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	plane := few()
	server := serve(t, plane, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refuse.Load() && r.URL.Path == "/v1/collections" {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"type":"about:blank","title":"No","status":403,"detail":"not you","remedy":"sign in"}`)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	p := open(t, server.URL, 1440, 900).listed()
	p.expect("403 (Forbidden)")
	p.until(`document.querySelector("#link-text").textContent === "live"`)
	refuse.Store(true)
	plane.Set(people, func(c *control.Collection) { c.State = "backoff" }) // so that it looks at once
	p.until(`document.querySelectorAll("#rows tr").length === 0 && document.querySelector("#empty").innerText === "not you — sign in"`)
	refuse.Store(false)
	plane.Set(people, func(c *control.Collection) { c.State = "running" })
	p.listed().until(`document.querySelector("#empty").hidden`)
}
