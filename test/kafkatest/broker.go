//go:build unix

package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tributary/test/child"
)

const (
	startTimeout = 4 * time.Minute
	stopGrace    = 15 * time.Second
)

// Broker is one Kafka, of one node. Its methods are safe for concurrent use; those
// that change its process wait for one another.
type Broker struct {
	cfg   *config
	tools toolchain
	dir   string
	lock  *os.File
	ports ports

	mu   sync.Mutex // guards proc
	proc *child.Process
}

// Start starts a broker that lives until the end of the test. Where Kafka cannot run
// the test is skipped, see [Require]. The end of the broker's log is logged when the
// test has failed.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	Require(t)
	b, err := Launch(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the broker's log:\n%s", b.LogTail())
		}
		b.Close()
	})
	return b
}

// Launch is [Start] for programs that are not tests. The caller closes the broker; the
// context bounds the start alone.
func Launch(ctx context.Context, opts ...Option) (*Broker, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	tools, err := findToolchain()
	if err != nil {
		return nil, fmt.Errorf("kafkatest: %w", err)
	}
	dir, lock, err := newDir()
	if err != nil {
		return nil, fmt.Errorf("kafkatest: %w", err)
	}
	b := &Broker{cfg: cfg, tools: tools, dir: dir, lock: lock}
	if err := b.firstStart(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// firstStart finds the ports, which the broker then keeps. Between finding them and
// the broker's listening another process may take one: then it is tried with others.
func (b *Broker) firstStart(ctx context.Context) error {
	if b.cfg.tls {
		if err := writeCertificates(b.dir); err != nil {
			return fmt.Errorf("kafkatest: certificates: %w", err)
		}
	}
	for try := 1; ; try++ {
		var err error
		if b.ports, err = freePorts(); err != nil {
			return err
		}
		if err := b.cfg.writeProperties(b.path("server.properties"), b.dir, b.ports); err != nil {
			return fmt.Errorf("kafkatest: settings: %w", err)
		}
		if try == 1 {
			if err := b.format(ctx); err != nil {
				return err
			}
		}
		err = b.start(ctx)
		if err == nil || try == 3 || !strings.Contains(b.LogTail(), "Address already in use") {
			return err
		}
	}
}

// format makes the log directory.
func (b *Broker) format(ctx context.Context) error {
	var id [16]byte
	rand.Read(id[:])
	// Kafka refuses an id that begins with a dash, which its tools take for a flag.
	id[0] &= 0x7f
	args := b.cfg.formatArgs(base64.RawURLEncoding.EncodeToString(id[:]), b.path("server.properties"))
	if out, err := b.java(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kafkatest: format %s: %w\n%s", b.dir, err, out)
	}
	return nil
}

func (b *Broker) java(ctx context.Context, args ...string) *exec.Cmd {
	flags := append([]string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		// Twenty lines a second after a kill would push what matters out of LogTail.
		"-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.NetworkClient=error",
		"-cp", filepath.Join(b.tools.lib, "*")}, b.cfg.jvm...)
	cmd := exec.CommandContext(ctx, b.tools.java, append(flags, args...)...)
	cmd.Dir = b.dir
	return cmd
}

// start starts the process and waits until it serves. b.mu is held, or b not shared yet.
func (b *Broker) start(ctx context.Context) error {
	log, err := os.OpenFile(b.path("broker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// The child has its own descriptor.
	defer log.Close()
	// Not the caller's context: the broker is to outlive the call that starts it.
	b.proc, err = child.Start(b.java(context.Background(), "kafka.Kafka", b.path("server.properties")), log)
	if err != nil {
		b.proc = nil
		return fmt.Errorf("kafkatest: start: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := b.waitReady(ctx); err != nil {
		b.proc.Kill()
		return fmt.Errorf("kafkatest: start: %w; end of its log:\n%s", err, b.LogTail())
	}
	return nil
}

// Stop ends the broker cleanly, a paused one too. A broker that is down stays so.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil {
		b.proc.Stop(stopGrace)
	}
}

// Kill ends the broker as kill -9 does. What it had not written to the file system is
// lost; what it had, is not, for the machine goes on.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil {
		b.proc.Kill()
	}
}

// Restart starts the broker again, with its data and on the same ports, and stops it
// before if it runs. It returns when the broker serves.
func (b *Broker) Restart(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil {
		b.proc.Stop(stopGrace)
	}
	return b.start(ctx)
}

// Pause freezes the broker: its connections stay open and nothing answers.
func (b *Broker) Pause() error { return b.signal(syscall.SIGSTOP) }

// Resume lets a paused broker go on.
func (b *Broker) Resume() error { return b.signal(syscall.SIGCONT) }

func (b *Broker) signal(sig syscall.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil {
		return errors.New("kafkatest: broker was closed")
	}
	if err := b.proc.Signal(sig); err != nil {
		return fmt.Errorf("kafkatest: broker: %w", err)
	}
	return nil
}

// Close stops the broker and removes its data. [Start] and [Shared] do it themselves.
func (b *Broker) Close() {
	b.Stop()
	os.RemoveAll(b.dir)
	b.lock.Close()
}

// Addr returns the address of the clients' listener, as host:port.
func (b *Broker) Addr() string { return addr(b.ports.client) }

// Brokers returns Addr as the list of seeds that clients take.
func (b *Broker) Brokers() []string { return []string{b.Addr()} }

// InternalAddr returns the address of the internal listener: plain text, no login,
// every right.
func (b *Broker) InternalAddr() string { return addr(b.ports.internal) }

// LogTail returns the end of the broker's log: its warnings, over all its starts.
func (b *Broker) LogTail() string {
	const keep = 8 << 10
	data, err := os.ReadFile(b.path("broker.log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-keep):])
}

func (b *Broker) path(name string) string { return filepath.Join(b.dir, name) }

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
