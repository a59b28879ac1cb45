//go:build unix

package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tributary/test/kafkatest"
)

// The broker's disk fills up while it is written to, by which Kafka ends itself. When
// there is room again and the broker runs, the connector goes on.
func TestABrokerWhoseDiskIsFullLosesNothing(t *testing.T) {
	t.Parallel()
	kafkatest.Require(t)
	disk := smallDisk(t, "64m")
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{"log.dirs": filepath.Join(disk, "data")}))
	r := changingRig(t, b, 47)
	r.shortTransactions()
	p := r.run()
	p.says(soon, `msg="caught up"`)
	stop := r.writing(300, 48)
	for i, room := range []int64{0, 200_000} {
		time.Sleep(time.Second)
		ballast := fill(t, disk, room)
		began, log := time.Now(), len(p.log.String())
		eventually(t, soon, "the broker has ended itself", func() bool { return !listens(b) })
		full := time.Since(began)
		time.Sleep(6 * time.Second) // longer than anything is waited for in place
		p.running()
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := p.metric("tributary_records_published_total")
		eventually(t, soon, "it publishes again", func() bool {
			return p.metric("tributary_records_published_total") > before
		})
		t.Logf("disk full, time %d: with %d bytes left the broker ended itself after %s; the operator saw:\n%s",
			i+1, room, full.Round(10*time.Millisecond), p.log.String()[log:])
	}
	stop()
	r.rest(soon, three...)
	p.running()
	if !strings.Contains(b.LogTail(), "No space left on device") {
		t.Error("the broker never met a full disk")
	}
	if lineWith(p.log.String(), "level=WARN", "lane is spent, acquiring it again", b.Addr()) == "" {
		t.Error("no line names the broker that is gone")
	}
	p.stop()
}

// smallDisk mounts a file system of its own, for which one has to be root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tributary-test", dir).CombinedOutput(); err != nil {
		t.Skipf("not shown, for want of the right to mount a small disk: %s: %v %s", t.Name(), err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v %s", dir, err, out)
		}
	})
	return dir
}

// fill leaves no more than room bytes free.
func fill(t *testing.T, disk string, room int64) (ballast string) {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 16<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk does not fill up: %v", err)
	}
	end, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = f.Truncate(end - room)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func listens(b *kafkatest.Broker) bool {
	conn, err := net.DialTimeout("tcp", b.Addr(), time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
