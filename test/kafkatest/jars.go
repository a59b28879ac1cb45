//go:build unix

package kafkatest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"tributary/test/child"
)

// Version is the version of Apache Kafka that is run.
const Version = "4.3.1"

const (
	minJava         = 17
	downloadTimeout = 5 * time.Minute
)

//go:embed pom.xml
var pom []byte

// toolchain is what starting a broker takes.
type toolchain struct {
	java string // path of the java command
	lib  string // directory of the jars
}

// Available returns nil where a broker can be started, else an error of one line
// that says what is missing. The first call of a machine downloads the jars; within
// a process the answer is remembered.
func Available() error {
	_, err := findToolchain()
	return err
}

var findToolchain = sync.OnceValues(func() (toolchain, error) {
	java, err := findJava()
	if err != nil {
		return toolchain{}, err
	}
	lib, err := findJars()
	if err != nil {
		return toolchain{}, err
	}
	return toolchain{java: java, lib: lib}, nil
})

var javaVersion = regexp.MustCompile(`version "(\d+)`)

func findJava() (string, error) {
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	java, err := exec.LookPath(java)
	if err != nil {
		return "", fmt.Errorf("no Java %d or newer: %w", minJava, err)
	}
	out, err := exec.Command(java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -version: %w", java, err)
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s -version: no version in %q", java, child.LastLine(out))
	}
	if v, _ := strconv.Atoi(string(m[1])); v < minJava {
		return "", fmt.Errorf("%s is Java %s, Kafka %s needs %d or newer", java, m[1], Version, minJava)
	}
	return java, nil
}

// findJars returns the directory of the jars, downloading them where it is the first
// to need them. Two runs of Maven at a time are not safe on the one local repository
// they share, and do not happen.
func findJars() (string, error) {
	sum := sha256.Sum256(pom)
	ctx, cancel := context.WithTimeout(context.Background(), downloadTimeout)
	defer cancel()
	return child.Cached(ctx, "kafka-"+Version+"-"+hex.EncodeToString(sum[:6]), download)
}

func download(ctx context.Context, lib string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("no Maven to fetch the jars of Kafka %s: %w", Version, err)
	}
	tmp, err := os.MkdirTemp("", "tributary-maven-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-f", file,
		"dependency:copy-dependencies", "-DoutputDirectory="+lib)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("maven cannot fetch Kafka %s: %w: %s", Version, err, firstError(out))
	}
	return nil
}

// firstError returns the first line in which Maven says what went wrong: those after
// it are advice.
func firstError(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "ERROR") {
			return strings.TrimSpace(line)
		}
	}
	return child.LastLine(out)
}
