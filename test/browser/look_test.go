//go:build unix

package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func media(name, value string) *emulation.MediaFeature {
	return &emulation.MediaFeature{Name: name, Value: value}
}

// faint finds texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3).
const faint = `(() => {
  const rgb = (s) => s.match(/[\d.]+/g).map(Number)
  const light = ([r, g, b]) => { const f = (x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b) }
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c } return [255, 255, 255] }
  const bad = []
  let seen = 0
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.matches(":disabled")) continue
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x)
    const contrast = (a + 0.05) / (b + 0.05)
    seen++
    if (contrast < 4.5) bad.push(e.tagName + "." + e.className + " " + contrast.toFixed(2) + " " + e.textContent.slice(0, 30))
  }
  return seen < 40 ? ["only " + seen + " texts were seen"] : bad
})()`

func TestTextsAreReadableInLightAndDark(t *testing.T) {
	t.Parallel()
	grounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		p := open(t, serve(t, allWrong()).URL+"/#/eu.cadences?key=1", 1440, 900, media("prefers-color-scheme", scheme), media("prefers-reduced-motion", "reduce")).detailed("eu.cadences")
		p.until(`document.querySelectorAll("#d-changes li").length === 2 && document.querySelectorAll(".card").length`)
		for _, text := range eval[[]string](p, faint) {
			t.Errorf("%s: %s", scheme, text)
		}
		grounds[scheme] = eval[string](p, `getComputedStyle(document.body).backgroundColor`)
		if moving := eval[int](p, `[...document.querySelectorAll("*")].filter(e => getComputedStyle(e).transitionDuration !== "0s" || getComputedStyle(e).animationName !== "none").length`); moving > 0 {
			t.Errorf("%d elements move for who does not want that", moving)
		}
	}
	if grounds["light"] == grounds["dark"] {
		t.Errorf("light and dark are both %s", grounds["light"])
	}
}

func TestTheChosenThemeIsRemembered(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, few()).URL, 1440, 900, media("prefers-color-scheme", "light")).listed()
	light := eval[string](p, `getComputedStyle(document.body).backgroundColor`)
	p.click("#theme") // light
	p.click("#theme") // dark
	p.until(`getComputedStyle(document.body).backgroundColor !== "` + light + `"`)
	p.do(chromedp.Reload())
	p.listed()
	if got := eval[string](p, `document.querySelector("#theme").textContent`); got != "Theme: dark" {
		t.Errorf("after a reload it says %q", got)
	}
	p.until(`getComputedStyle(document.body).backgroundColor !== "` + light + `"`)
}

func TestNothingIsWiderThanThePhone(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{"", "#/eu.accounts?key=1", "#/eu.cadences"} {
		p := open(t, serve(t, allWrong()).URL+"/"+hash, 390, 844)
		if hash == "" {
			p.listed()
		} else {
			p.until(`!document.querySelector("#d-body").hidden && document.querySelector("#group").textContent`)
		}
		if hash == "#/eu.accounts?key=1" {
			p.until(`document.querySelectorAll("#d-changes li").length === 2`)
			p.click("#a-pull")
			p.until(`document.querySelector("#d-result .positions")`)
		}
		if w := eval[int](p, `document.documentElement.scrollWidth`); w > 390 {
			t.Errorf("%q: the page is %d wide on a phone of 390: %v", hash, w, eval[[]string](p, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > 391 && e.checkVisibility()).map(e => e.tagName + "." + e.className + "#" + e.id).slice(0, 9)`))
		}
		small := eval[[]string](p, `[...document.querySelectorAll("button, input, select")].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.id + e.className)`)
		if len(small) > 0 {
			t.Errorf("%q: these are hard to touch: %q", hash, small)
		}
	}
}

// A node is what a screen reader is told of one thing.
type node struct{ role, name string }

func (p *tab) nodes() []node {
	p.t.Helper()
	var nodes []node
	for _, n := range call(p, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if !n.Ignored && n.Role != nil {
			nodes = append(nodes, node{text(n.Role), text(n.Name)})
		}
	}
	return nodes
}

func text(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

func TestAScreenReaderIsToldRolesAndNames(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{1440, 390} {
		server := serve(t, few())
		p := open(t, server.URL, width, 900).listed()
		has(t, p.nodes(), []node{
			{"banner", ""}, {"main", ""}, {"contentinfo", ""}, {"navigation", "Pages of collections"}, {"heading", "Tributary crm"},
			{"group", "Show collections in a state"}, {"searchbox", "Search collections by name or topic"}, {"combobox", "Sort"},
			{"table", "Collections"}, {"columnheader", "Caught up"}, {"columnheader", "What is wrong"}, {"row", ""},
			{"link", "salesloft-eu.people"}, {"button", "Next page"}, {"cell", "running"},
		})
		p.do(chromedp.Navigate(server.URL + "/#/salesloft-eu.people?key=7"))
		p.detailed("salesloft-eu.people").until(`document.querySelectorAll("#d-changes li").length === 4`)
		has(t, p.nodes(), []node{
			{"region", "salesloft-eu.people"}, {"heading", "salesloft-eu.people"}, {"button", "Pull now"}, {"button", "Pause"},
			{"textbox", "Key"}, {"list", "Changes of a record"}, {"list", "Events"}, {"insertion", ""}, {"deletion", ""}, {"status", ""},
		})
		for _, n := range p.nodes() {
			if n.name == "" && (n.role == "button" || n.role == "link" || n.role == "textbox" || n.role == "searchbox" || n.role == "combobox") {
				t.Errorf("a %s has no name", n.role)
			}
		}
		p.click("#a-pause")
		p.until(`document.querySelector("#confirm").open`)
		has(t, p.nodes(), []node{{"dialog", "Pause salesloft-eu.people?"}, {"button", "Cancel"}})
	}
}

// has fails the test unless there is one of each role whose name begins so.
func has(t *testing.T, nodes []node, wanted []node) {
	t.Helper()
next:
	for _, w := range wanted {
		for _, n := range nodes {
			if n.role == w.role && strings.HasPrefix(n.name, w.name) {
				continue next
			}
		}
		var names []string
		for _, n := range nodes {
			if n.role == w.role {
				names = append(names, n.name)
			}
		}
		t.Errorf("there is no %s %q; there are %q", w.role, w.name, names)
	}
}

func TestEverythingIsReachedByKeyboard(t *testing.T) {
	t.Parallel()
	p := open(t, serve(t, few()).URL, 1440, 900).listed()
	focused := func() string {
		return eval[string](p, `(e => e.id || e.dataset.state || e.dataset.source || e.textContent.trim())(document.activeElement)`)
	}
	p.press("/")
	p.until(`document.activeElement.id === "search" && document.activeElement.value === ""`)
	p.press(kb.ArrowDown)
	p.press("j", "j", "k", kb.ArrowDown)
	if got := focused(); got != "salesloft-eu.cadences" {
		t.Errorf("down, down, down, up, down leads to %q", got)
	}
	p.press(kb.Enter)
	p.detailed("salesloft-eu.cadences")
	p.until(`document.activeElement.id === "d-name"`)
	p.press(kb.Escape)
	p.until(`document.querySelector("#details").hidden`)
	if got := focused(); got != "salesloft-eu.cadences" {
		t.Errorf("after the details are closed the focus is at %q", got)
	}
	p.press("?")
	p.until(`document.querySelector("#help").open`)
	p.press(kb.Escape)
	p.until(`!document.querySelector("#help").open`)

	// Tab comes by everything that can be used, and each shows that it is there.
	eval[int](p, "document.activeElement.blur();0")
	seen := map[string]bool{}
	for range 60 {
		p.press(kb.Tab)
		name := focused()
		if seen[name] && name != "" {
			break
		}
		seen[name] = true
		if !eval[bool](p, `(e => e === document.body || getComputedStyle(e).outlineStyle !== "none")(document.activeElement)`) {
			t.Errorf("the focus is not seen at %q", name)
		}
	}
	for _, want := range []string{"Skip to the collections", "theme", "keys", "all", "stopped", "hubspot", "search", "sort", "State", "What is wrong", "billing.invoices"} {
		if !seen[want] {
			t.Errorf("Tab does not come by %q: %v", want, seen)
		}
	}
}
