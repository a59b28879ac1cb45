//go:build unix

package kafkatest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []Option
		want string
	}{
		{"ACLs without users", []Option{ACLs(true)}, "ACLs need"},
		{"unknown mechanism", []Option{SASL("GSSAPI")}, "GSSAPI"},
		{"password that JAAS would cut", []Option{SASL(Plain, User{"a", `x";`})}, "without"},
		{"no password", []Option{SASL(Plain, User{"a", ""})}, "must be there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newConfig(tt.opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestOverridesWin(t *testing.T) {
	c, err := newConfig([]Option{Properties(map[string]string{"node.id": "7", "a": `b\c`})})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.properties")
	if err := c.writeProperties(file, "/d", ports{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nnode.id=7\n", `a=b\\c`, "CLIENT:PLAINTEXT", "CLIENT://127.0.0.1:1,"} {
		if !strings.Contains("\n"+string(data), want) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
}

func TestSweepRemovesWhatNobodyHolds(t *testing.T) {
	parent := t.TempDir()
	dir := func(name string) string {
		d := filepath.Join(parent, dirPrefix+name)
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		return d
	}
	held, free, young := dir("held"), dir("free"), dir("young")
	lock, err := lockDir(held)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	gone, err := lockDir(free)
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()

	sweepDirs(parent)
	if !there(held) || !there(young) {
		t.Error("removed a directory in use")
	}
	if there(free) {
		t.Error("kept a directory whose owner is gone")
	}
}

func TestFirstErrorIsOneLine(t *testing.T) {
	out := "[INFO] scanning\n[ERROR] Could not resolve org.apache:x\n[ERROR] \n[ERROR] see the help\n"
	if got := firstError([]byte(out)); got != "[ERROR] Could not resolve org.apache:x" {
		t.Errorf("got %q", got)
	}
	if got := firstError([]byte("\nkilled\n")); got != "killed" {
		t.Errorf("got %q", got)
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
