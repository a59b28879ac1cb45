//go:build unix

package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tributary/test/kafkatest"
)

// patience is how long a page may take to come to what a test waits for, on a machine that
// is busy with other things.
const patience = 90 * time.Second

// browser is one for all tests; each has a tab of its own.
var browser struct {
	once sync.Once
	ctx  context.Context
	end  []context.CancelFunc
	err  error
}

func TestMain(m *testing.M) {
	code := kafkatest.Main(m)
	for _, end := range browser.end {
		end()
	}
	os.Exit(code)
}

func launch(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("TRIBUTARY_REQUIRE_BROWSER") != "" {
			t.Fatal("TRIBUTARY_REQUIRE_BROWSER is set and there is no chromium: install Debian's package of that name")
		}
		t.Skip("there is no chromium: install Debian's package of that name")
	}
	browser.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path),
			chromedp.NoSandbox, // tests run as root in containers, where there is none; they load nothing but our own page
			chromedp.Flag("disable-dev-shm-usage", true),
			chromedp.Flag("lang", "en"),
			chromedp.WSURLReadTimeout(time.Minute),
		)
		allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(allocator)
		browser.ctx, browser.err, browser.end = ctx, chromedp.Do(ctx), []context.CancelFunc{end, stop}
	})
	if browser.err != nil {
		t.Fatalf("chromium does not start: %v", browser.err)
	}
	return browser.ctx
}

// A tab is one page, and what it has done that it should not.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	errors   []string
	// expected are parts of errors that a test provokes.
	expected []string
}

// open opens an address in a window of that size, with media features such as
// prefers-color-scheme. When the test ends, the page must have said no error in its
// console, and have asked nobody but its own server.
func open(t *testing.T, address string, width, height int64, media ...*emulation.MediaFeature) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(launch(t))
	p := &tab{t: t, ctx: ctx}
	origin, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.shoot(fmt.Sprintf("%s/%s.png", os.TempDir(), strings.ReplaceAll(t.Name(), "/", "-")))
		}
		closeTab()
		p.judge(origin.Host)
	})
	// The first call opens the tab, which lives as long as its context.
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, runtime.Enable, cdp.Empty{})
	call(p, log.Enable, cdp.Empty{})
	// A page in the background would draw and ask nothing.
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media})
	p.do(chromedp.Navigate(address))
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.Method+" "+e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, "exception: "+e.ExceptionDetails.Text+" "+thrown(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.errors = append(p.errors, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func thrown(d *runtime.ExceptionDetails) string {
	if d.Exception == nil {
		return ""
	}
	return d.Exception.Description
}

// judge fails the test for what a page may never do.
func (p *tab) judge(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		_, address, _ := strings.Cut(r, " ")
		if u, err := url.Parse(address); err != nil || u.Host != host {
			p.t.Errorf("the page asked somebody else: %s", r)
		}
	}
	if len(p.requests) == 0 {
		p.t.Error("no request of the page was seen: nothing was tested")
	}
next:
	for _, e := range p.errors {
		for _, part := range p.expected {
			if strings.Contains(e, part) {
				continue next
			}
		}
		p.t.Errorf("the page has an error: %s", e)
	}
}

// expect lets errors pass that a test provokes.
func (p *tab) expect(parts ...string) { p.expected = append(p.expected, parts...) }

// asked returns how many requests so far have that in them.
func (p *tab) asked(part string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// call runs a command of the browser's protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// eval returns what an expression is in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until an expression is true in the page.
func (p *tab) until(expression string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if eval[bool](p, "Boolean("+expression+")") {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("it never came to be: %s\nthe page: %s", expression, eval[string](p, "document.body.innerText.slice(0, 3000)"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// press presses keys where the focus is, as a keyboard does: what a page does not want to
// be typed is not typed.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		for _, e := range kb.Encode([]rune(k)[0]) {
			switch e.Type {
			case input.DispatchKeyEventTypeChar:
				continue
			case input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyDown:
				if c := kb.Keys[[]rune(k)[0]]; c != nil {
					e.Type, e.Text = input.DispatchKeyEventTypeKeyDown, c.Text
				}
			}
			call(p, input.DispatchKeyEvent, *e)
		}
	}
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// shoot writes a picture of the window, for who wants to see it.
func (p *tab) shoot(path string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Logf("no picture: %v", err)
		return
	}
	if err := os.WriteFile(path, png, 0o600); err != nil {
		p.t.Logf("no picture: %v", err)
		return
	}
	p.t.Logf("a picture of the page: %s", path)
}
