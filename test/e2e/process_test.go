//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a tributary that runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	listen string
	out    output // standard output
	log    output // standard error
	ended  chan struct{}
}

// output is what a process has written so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// launch starts a command of the program. It is killed at the end of the test.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchWith(t, nil, args...)
}

// launchWith is launch with more in the environment.
func launchWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	if len(env) > 0 {
		p.cmd.Env = append(os.Environ(), env...)
	}
	// Pipes, and not files: when this process dies, the child dies of writing to them.
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is asked of its state
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		for _, sign := range []string{"panic: ", "fatal error: ", "DATA RACE"} {
			if strings.Contains(p.log.String(), sign) {
				t.Errorf("%s in the log", sign)
			}
		}
		if t.Failed() && p.log.String() != "" {
			t.Logf("the end of the log of %s:\n%s", strings.Join(args, " "), tail(p.log.String(), 4000))
		}
	})
	return p
}

// command runs a command of the program to its end.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := launch(t, args...)
	code = p.wait(soon)
	return code, p.out.String(), p.log.String()
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// wait returns the exit code of a process that must end within d.
func (p *process) wait(d time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(d):
		p.t.Fatalf("%s still runs after %s", strings.Join(p.cmd.Args[1:], " "), d)
	}
	return p.cmd.ProcessState.ExitCode()
}

// running fails the test if the process has ended.
func (p *process) running() {
	p.t.Helper()
	select {
	case <-p.ended:
		p.t.Fatalf("%s ended with code %d", strings.Join(p.cmd.Args[1:], " "), p.cmd.ProcessState.ExitCode())
	default:
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v: %v", s, err)
	}
}

// kill ends the process as a power cut does.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	<-p.ended
}

// stop asks the process to end, which must be with code 0 and before whoever runs it, such
// as Kubernetes, would lose patience and kill it.
func (p *process) stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.wait(time.Minute); code != 0 {
		p.t.Fatalf("ended with code %d after SIGTERM, want 0", code)
	}
	return time.Since(began)
}

// says waits until one line of the log holds all the texts, and returns it.
func (p *process) says(within time.Duration, texts ...string) string {
	p.t.Helper()
	var line string
	eventually(p.t, within, "one line of the log holds "+strings.Join(texts, ", "), func() bool {
		line = lineWith(p.log.String(), texts...)
		return line != ""
	})
	return line
}

// lineWith returns the first line that holds all the texts, or "".
func lineWith(log string, texts ...string) string {
next:
	for line := range strings.Lines(log) {
		for _, s := range texts {
			// A text within a logged value stands there quoted.
			if !strings.Contains(strings.ReplaceAll(line, `\"`, `"`), s) {
				continue next
			}
		}
		return line
	}
	return ""
}

// get asks the process itself, and returns 0 when it does not listen.
func (p *process) get(path string) (code int, body string) {
	p.t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + p.listen + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric returns the sum of the series of a metric that have all the labels, given as
// name, value, name, value.
func (p *process) metric(name string, labels ...string) float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	sum := 0.0
next:
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		for i := 0; i < len(labels); i += 2 {
			if !strings.Contains(line, labels[i]+`="`+labels[i+1]+`"`) {
				continue next
			}
		}
		fields := strings.Fields(line)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			p.t.Fatalf("/metrics: %q: %v", line, err)
		}
		sum += v
	}
	return sum
}

// eventually fails the test if cond does not come true in time.
func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// decode reads what a command printed as JSON.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}
