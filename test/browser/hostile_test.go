package browser

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tributary/connector/control"
	"tributary/connector/control/page"
)

// What an API sends, and what somebody has typed into it, is text wherever it is shown.
func TestNoTextBecomesMarkup(t *testing.T) {
	server := serve(t, hostile())
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
	first := begin(t, few(), "127.0.0.1:0")
	p := open(t, "http://"+first.server.Addr, 1440, 900).listed()
	p.expect("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET")
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
