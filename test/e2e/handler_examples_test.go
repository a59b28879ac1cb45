//go:build unix

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tributary/test/child"
)

// example starts a handler of deploy/examples and returns its address, which it prints.
func example(t *testing.T, command string, args ...string) (url string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		if os.Getenv(child.RequireEnv) != "" {
			t.Fatalf("%s is set, and there is no %s", child.RequireEnv, command)
		}
		t.Skipf("there is no %s", command)
	}
	cmd := exec.Command(command, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("%s says %q: %v", command, line, err)
	}
	return "http://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ports, err := child.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0])
}

func read(t *testing.T, file string) {
	t.Helper()
	if _, err := os.ReadFile(file); err != nil { // the child reads it, and go test does not see that
		t.Fatal(err)
	}
}

// live waits until the live values of a topic are these.
func (r *rig) live(collection string, want map[string]string) {
	r.t.Helper()
	var got map[string]string
	defer func() {
		if r.t.Failed() {
			r.t.Logf("live are %.1000q", got)
		}
	}()
	eventually(r.t, soon, fmt.Sprintf("%d live records of %s", len(want), collection), func() bool {
		got = map[string]string{}
		for key, values := range r.published(collection) {
			if last := values[len(values)-1]; last != "-" {
				got[key] = last
			}
		}
		if len(got) != len(want) {
			return false
		}
		for key, value := range want {
			if got[key] != value {
				return false
			}
		}
		return true
	})
}

// once fails the test if a version of a record was published twice in a row.
func (r *rig) once(collection string) {
	r.t.Helper()
	for key, values := range r.published(collection) {
		if len(slices.Compact(slices.Clone(values))) != len(values) {
			r.t.Errorf("%s was published as %q", key, values)
		}
	}
}

// blameless checks a handler beside the connector that runs: of an example there is nothing
// to find, and what it was asked is not committed.
func (r *rig) blameless(flags ...string) {
	r.t.Helper()
	eventually(r.t, soon, "that preview finds nothing new", func() bool {
		return strings.HasPrefix(r.ok("preview", "blog", "-o", "json"), `{"answer":{"more":false,`)
	})
	before := r.ok("state", "export")
	for _, state := range [][]string{nil, {"--state", "null"}} {
		out := r.ok(append(append([]string{"check", "blog", "--follow"}, flags...), state...)...)
		for _, says := range []string{"it comes to its end with answer", "an idle pull writes nothing", "nothing is committed"} {
			if !strings.Contains(out, says) {
				r.t.Errorf("check %q does not say %q:\n%s", append(flags, state...), says, out)
			}
		}
	}
	if after := r.ok("state", "export"); after != before {
		r.t.Errorf("the state was\n%.1000s\nand is\n%.1000s", before, after)
	}
}

func TestTheExampleInPythonTellsWhatChangesInAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "stock.json")
	stock := map[string]string{}
	write := func() {
		var list []string
		for _, record := range stock {
			list = append(list, record)
		}
		if err := os.WriteFile(file+".new", []byte("["+strings.Join(list, ",")+"]"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	put := func(n, left int) { stock[fmt.Sprintf("é%d", n)] = fmt.Sprintf(`{"sku": "é%d", "left": %d}`, n, left) }
	for n := range 250 { // more than two responses
		put(n, n)
	}
	write()
	const script = "../../deploy/examples/handler-python/handler.py"
	read(t, script)
	url := example(t, "python3", script, file, "0")
	r := newHandlerRig(t, url, "    dump: {}\n    id: sku\n", "stock")
	p := r.run()
	p.says(soon, "dump ended")
	r.live("stock", stock)
	for n := range 120 {
		put(n, 1000+n)
	}
	for n := 130; n < 250; n++ {
		delete(stock, fmt.Sprintf("é%d", n))
	}
	write()
	r.live("stock", stock)
	p.kill()
	put(7, 7)
	write()
	p = r.run()
	r.live("stock", stock)
	r.blameless("--dump")
	p.stop()
	r.once("stock")
	if n := strings.Count(p.log.String(), "dump begins"); n != 0 {
		t.Errorf("%d dumps after the first", n)
	}
}

// items is the API that the example in Node reads.
type items struct {
	mu     sync.Mutex
	events []string
	now    map[int]string
}

func (a *items) put(id, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now[id] = fmt.Sprintf(`{"id":%d,"n":%d}`, id, n)
	a.events = append(a.events, fmt.Sprintf(`{"number":%d,"type":"changed","item":%s}`, len(a.events)+1, a.now[id]))
}

func (a *items) remove(id int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.now, id)
	a.events = append(a.events, fmt.Sprintf(`{"number":%d,"type":"removed","item":{"id":%d}}`, len(a.events)+1, id))
}

func (a *items) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	var rows []string
	what, last := "items", "last_event"
	if r.URL.Path == "/events" {
		what, last = "events", "last"
		rows = a.events[min(after, len(a.events)):min(after+30, len(a.events))]
	} else {
		for id := after + 1; len(rows) < 30 && id <= 1000; id++ {
			if row := a.now[id]; row != "" {
				rows = append(rows, row)
			}
		}
	}
	fmt.Fprintf(w, `{%q:[%s],%q:%d}`, what, strings.Join(rows, ","), last, len(a.events))
}

func (a *items) live() map[string]string {
	all := map[string]string{}
	for id, row := range a.now {
		all[strconv.Itoa(id)] = row
	}
	return all
}

func TestTheExampleInNodeTellsWhatHappensAtAnAPI(t *testing.T) {
	t.Parallel()
	api := &items{now: map[int]string{}}
	for id := 1; id <= 100; id++ {
		api.put(id, id)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	const script = "../../deploy/examples/handler-node/handler.mjs"
	read(t, script)
	url := example(t, "node", script, server.URL, "0")
	r := newHandlerRig(t, url, "    dump: {}\n", "items")
	p := r.run()
	p.says(soon, "dump ended")
	r.live("items", api.live())
	for id := 50; id <= 130; id++ {
		api.put(id, 1000+id)
	}
	for id := 1; id <= 40; id++ {
		api.remove(id)
	}
	r.live("items", api.live())
	p.kill()
	api.put(7, 7)
	p = r.run()
	r.live("items", api.live())
	r.blameless("--dump")
	p.stop()
	r.once("items")
}

func TestTheExampleInGoTellsWhatChangesInAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "handler-go")
	read(t, "../../deploy/examples/handler-go/main.go")
	if out, err := exec.Command("go", "build", "-o", program, "tributary/deploy/examples/handler-go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(n, size int) {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(n)), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 130 {
		write(n, n)
	}
	url := example(t, program, folder, freeAddress(t))
	r := newHandlerRig(t, url, "    id: name\n", "files")
	p := r.run()
	p.says(soon, "caught up")
	r.files(130, map[string]int64{"7": 7, "129": 129})
	write(7, 70)
	if err := os.Remove(filepath.Join(folder, "8")); err != nil {
		t.Fatal(err)
	}
	r.files(129, map[string]int64{"7": 70, "8": -1})
	r.blameless()
	p.stop()
	r.once("files")
}

// files waits until so many files are live in the topic, some of them of known sizes.
func (r *rig) files(n int, sizes map[string]int64) {
	r.t.Helper()
	eventually(r.t, soon, fmt.Sprintf("%d files, with %v", n, sizes), func() bool {
		live := map[string]int64{}
		for key, values := range r.published("files") {
			var file struct{ Size int64 }
			if json.Unmarshal([]byte(values[len(values)-1]), &file) == nil {
				live[key] = file.Size
			}
		}
		for key, size := range sizes {
			if got, there := live[key]; there != (size >= 0) || there && got != size {
				return false
			}
		}
		return len(live) == n
	})
}
