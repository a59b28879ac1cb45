//go:build unix

package browser

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tributary/test/child"
	"tributary/test/hostile"
	"tributary/test/kafkatest"
	"tributary/test/sources"
)

const token = "a-token-of-the-browser-test"

// A connector is a `tributary run` between a hostile API and a real Kafka.
type connectorProcess struct {
	t       *testing.T
	binary  string
	config  string
	listen  string
	api     *hostile.API
	mu      sync.Mutex
	log     bytes.Buffer
	command *exec.Cmd
}

func (c *connectorProcess) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(b)
}

// real builds the program and starts it. The broker is one of the test's own, so that it
// ends with it.
func real(t *testing.T) *connectorProcess {
	t.Helper()
	launch(t) // skips without a browser, before anything that takes time
	broker := kafkatest.Shared(t)
	if n, err := sources.Read("../.."); err != nil || n < 50 { // a change of the program's runs this test anew
		t.Fatalf("%d files: %v", n, err)
	}
	api, err := hostile.Start(hostile.Config{Collections: []string{"people", "accounts"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	ports, err := child.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &connectorProcess{t: t, binary: filepath.Join(dir, "tributary"), config: filepath.Join(dir, "tributary.yaml"), listen: fmt.Sprintf("127.0.0.1:%d", ports[0]), api: api.API}
	if out, err := exec.Command("go", "build", "-o", c.binary, "tributary/cmd/tributary").CombinedOutput(); err != nil {
		t.Fatalf("build tributary: %v\n%s", err, out)
	}
	prefix := strings.TrimRight(broker.Prefix(t), "-._")
	config := fmt.Sprintf(`group: %q
instance: first
listen: %q
control: {token: %q}
kafka: {brokers: [%q]}
offsets: {lanes: 1, replication: 1}
topics: {name: "%s.{source}.{collection}", replication: 1}
sources:
  - name: crm
    preset: salesloft
    url: %q
    auth: {bearer: secret-of-the-test}
    budget: {per_minute: 100000000, window: none}
    interval: 200ms
    lookback: 2s
    overlap: 1s
    hash: {exclude: [%s]}
    collections: [people, accounts]
`, prefix, c.listen, token, broker.Addr(), prefix, api.URL, strings.Join(hostile.Excluded(), ", "))
	if err := os.WriteFile(c.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	return c
}

func (c *connectorProcess) start() {
	c.t.Helper()
	c.command = exec.Command(c.binary, "run", "-c", c.config)
	c.command.Stdout, c.command.Stderr = c, c
	if err := c.command.Start(); err != nil {
		c.t.Fatal(err)
	}
	command := c.command
	c.t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if c.t.Failed() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Logf("the log of the connector ends with\n%s", c.log.String()[max(0, c.log.Len()-3000):])
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + c.listen + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the connector is not ready: %v", err)
		}
	}
}

func TestAConnectorThatRunsIsOperatedByItsPage(t *testing.T) {
	t.Parallel()
	c := real(t)
	ids := c.api.Insert("people", 300)
	c.api.Set(hostile.Hostility{ServerError: 1, UnstableTies: true, MixedOffsets: true, MaxPerPage: 40})
	p := open(t, "http://status:"+token+"@"+c.listen+"/", 1440, 900).listed()
	p.expect("net::ERR_", "401 (Unauthorized)")

	// The API fails: the page says so by itself, and then that it goes on.
	p.until(`document.querySelector('#rows tr[data-state="backoff"] [data-f=why]')?.textContent.match(/50[023]/)`)
	c.api.Set(hostile.Hostility{UnstableTies: true, MixedOffsets: true, MaxPerPage: 40})
	p.until(`[...document.querySelectorAll("#rows .records")].some(e => e.textContent === "300") && !document.querySelector('#rows tr[data-state="backoff"]')`)

	eval[int](p, `[...document.querySelectorAll("#rows a")].find(a => a.textContent === "crm.people").click();0`)
	p.detailed("crm.people")
	p.until(`document.querySelector("#d-events").innerText.includes("→ running")`)
	p.click("#a-pause")
	p.click("#c-yes")
	p.until(`document.querySelector("#d-state").innerText.includes("paused")`)
	c.api.Write("people", hostile.Update, ids[7])

	// A kill in between: the page says that it is gone, and the pause lasts.
	c.command.Process.Signal(syscall.SIGKILL)
	p.until(`document.querySelector("#lost").innerText.startsWith("Not reachable since")`)
	c.start()
	p.until(`document.querySelector("#lost").hidden && document.querySelector("#d-state").innerText.includes("paused")`)
	p.click("#a-resume")
	p.until(`document.querySelector("#d-state").innerText.includes("running")`)
	p.click("#a-pull")
	p.until(`document.querySelector("#d-result .positions tbody tr")`)

	eval[int](p, fmt.Sprintf(`(k => { k.value = %q; k.form.requestSubmit() })(document.querySelector("#d-key"));0`, ids[7]))
	p.until(`document.querySelectorAll("#d-changes > li").length === 2`)
	if n := eval[int](p, `document.querySelectorAll("#d-changes > li:first-child :is(ins, del).line").length`); n < 2 {
		t.Errorf("%d lines differ between the two versions of a record that was updated", n)
	}
	if c.api.Fired()["server_error"] == 0 {
		t.Errorf("the API was not hostile: %v", c.api.Fired())
	}
}
