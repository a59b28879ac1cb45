//go:build unix

package kafkatest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// childEnv makes TestChild, which this test binary runs as a process of its own, do
// what it names.
const childEnv = "KAFKATEST_CHILD"

func TestChild(t *testing.T) {
	switch os.Getenv(childEnv) {
	case "require":
		Require(t)
	case "hold":
		fmt.Println("holds", Shared(t).Addr())
		select {}
	default:
		t.Skip("run by the other tests of this file")
	}
}

func testChild(what string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(append(os.Environ(), childEnv+"="+what), env...)
	return cmd
}

func TestWithoutKafka(t *testing.T) {
	none := []string{"PATH=/nonexistent", "JAVA_HOME="}
	out, err := testChild("require", append(none, RequireEnv+"=")...).CombinedOutput()
	if err != nil || strings.Count(string(out), "not shown, for want of a real Kafka: TestChild: no Java") != 1 {
		t.Errorf("skipped: %v\n%s", err, out)
	}
	// What go test adds: RUN, SKIP and PASS.
	if lines := strings.Count(string(out), "\n"); lines > 4 {
		t.Errorf("one line was promised:\n%s", out)
	}
	out, err = testChild("require", append(none, RequireEnv+"=1")...).CombinedOutput()
	if err == nil {
		t.Errorf("required, and still passed:\n%s", out)
	}
}

func TestBrokerDiesWithItsProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a death signal")
	}
	Require(t)
	cmd := testChild("hold")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	for s := bufio.NewScanner(out); addr == "" && s.Scan(); {
		addr, _ = strings.CutPrefix(s.Text(), "holds ")
		if addr == s.Text() {
			addr = ""
		}
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Errorf("broker of the child: %v", err)
	} else {
		conn.Close()
	}
	cmd.Process.Kill()
	cmd.Wait()
	for range 100 {
		if conn, err = net.Dial("tcp", addr); err != nil {
			return
		}
		conn.Close()
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the broker outlived its process by five seconds")
}
