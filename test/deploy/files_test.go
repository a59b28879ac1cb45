package deploy

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"tributary/test/sources"
)

// RequirePromtool is the variable that turns a missing promtool into a failure.
const requirePromtool = "TRIBUTARY_REQUIRE_PROMTOOL"

func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv(requirePromtool) == "1" {
		t.Fatalf("%s=1, but %v", requirePromtool, err)
	}
	if err != nil {
		t.Skipf("not shown, for want of promtool: %s", t.Name())
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"},
		{"test", "rules", "alerts_test.yml"},
	} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = filepath.Join(root, "deploy/prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// program builds tributary with the very command of the Dockerfile.
func program(t *testing.T) string {
	t.Helper()
	command := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*)$`).FindSubmatch(read(t, "Dockerfile"))
	if command == nil {
		t.Fatal("the Dockerfile has no go build")
	}
	if n, err := sources.Read(root); err != nil || n < 50 {
		t.Fatalf("read the sources: %d files, %v", n, err)
	}
	dir := t.TempDir()
	script := strings.ReplaceAll(string(command[1]), "/out/", dir+"/")
	if script == string(command[1]) {
		t.Fatalf("%q does not write to /out", script)
	}
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "VERSION=v1.2.3-test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return filepath.Join(dir, "tributary")
}

func TestTheImage(t *testing.T) {
	bin := program(t)
	t.Run("runs without a libc", func(t *testing.T) {
		f, err := elf.Open(bin)
		if err != nil {
			t.Skip("not ELF: the image is built on Linux")
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Error("the program is linked dynamically, and the image has no loader")
			}
		}
		text, err := os.ReadFile(bin)
		if err != nil {
			t.Fatal(err)
		}
		here, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(here+"/cmd/tributary")) {
			t.Error("the program holds paths of the machine that built it")
		}
	})
	t.Run("checks its health as the program can", func(t *testing.T) {
		health := regexp.MustCompile(`(?s)HEALTHCHECK .*?CMD (\[[^\]]*\])`).FindSubmatch(read(t, "Dockerfile"))
		if health == nil {
			t.Fatal("the Dockerfile has no HEALTHCHECK in the form that needs no shell")
		}
		args := list(t, health[1])
		config := filepath.Join(root, "deploy/compose/tributary.yaml")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "/etc/tributary/tributary.yaml", config)
		}
		cmd := exec.Command(bin, args[1:]...)
		cmd.Env = append(os.Environ(), "SALESLOFT_TOKEN=t")
		out, err := cmd.CombinedOutput()
		// Nothing listens here, or something else does; what matters is that it was asked.
		if cmd.ProcessState.ExitCode() != 1 && err != nil {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	})
	t.Run("starts what the program has", func(t *testing.T) {
		start := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindSubmatch(read(t, "Dockerfile"))
		if start == nil {
			t.Fatal("the Dockerfile has no CMD")
		}
		args := list(t, start[1])
		out, err := exec.Command(bin, args...).CombinedOutput()
		if !strings.Contains(string(out), "/etc/tributary/tributary.yaml") || err == nil {
			t.Errorf("%q without a config: %v\n%s", args, err, out)
		}
	})
	t.Run("accepts the config of compose", func(t *testing.T) {
		validate(t, bin, "SALESLOFT_TOKEN=t", "deploy/compose/tributary.yaml")
	})
	t.Run("accepts the examples that it writes", func(t *testing.T) {
		for preset, variable := range map[string]string{"salesloft": "SALESLOFT_TOKEN=t", "none": "EXAMPLE_TOKEN=t"} {
			path := filepath.Join(t.TempDir(), "tributary.yaml")
			if out, err := exec.Command(bin, "init", path, "--preset", preset).CombinedOutput(); err != nil {
				t.Fatalf("init: %v\n%s", err, out)
			}
			cmd := exec.Command(bin, "validate", "-c", path)
			cmd.Env = append(os.Environ(), variable)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("the example with preset %s: %v\n%s", preset, err, out)
			}
		}
	})
	t.Run("accepts the configs of the README", func(t *testing.T) {
		for i, text := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(read(t, "README.md"), -1) {
			path := filepath.Join(t.TempDir(), "tributary.yaml")
			if err := os.WriteFile(path, text[1], 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(bin, "validate", "-c", path)
			cmd.Env = append(os.Environ(), "SALESLOFT_TOKEN=t", "EXAMPLE_TOKEN=t",
				"SALESLOFT_SECRET=s", "TRIBUTARY_SEAL_KEY="+strings.Repeat("0123456789abcdef", 4))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("config %d of the README: %v\n%s", i+1, err, out)
			}
		}
	})
}

func validate(t *testing.T, bin, variable, config string) {
	t.Helper()
	cmd := exec.Command(bin, "validate", "-c", filepath.Join(root, config))
	cmd.Env = append(os.Environ(), variable)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", config, err, out)
	}
}

func list(t *testing.T, text []byte) []string {
	t.Helper()
	var l []string
	if err := yaml.Unmarshal(text, &l); err != nil || len(l) == 0 {
		t.Fatalf("%s: %v", text, err)
	}
	return l
}

func TestCompose(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Image       string            `yaml:"image"`
			Environment map[string]string `yaml:"environment"`
			Volumes     []string          `yaml:"volumes"`
			Ports       []string          `yaml:"ports"`
		} `yaml:"services"`
		Volumes map[string]any `yaml:"volumes"`
	}
	if err := yaml.Unmarshal(read(t, "deploy/compose.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kafka", "tributary", "prometheus"} {
		if c.Services[name].Image == "" {
			t.Errorf("there is no service %s", name)
		}
	}
	env := c.Services["kafka"].Environment
	for key, why := range map[string]string{
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "no transaction begins",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "no transaction begins",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "no consumer group works",
	} {
		if env[key] != "1" {
			t.Errorf("%s is %q: on one broker %s unless it is 1", key, env[key], why)
		}
	}
	for name, s := range c.Services {
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, "deploy", from)); err != nil {
				t.Errorf("service %s mounts %s: %v", name, from, err)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("service %s publishes %s beyond the loopback", name, p)
			}
		}
	}
	if config := string(read(t, "deploy/compose/tributary.yaml")); !strings.Contains(config, "kafka:19092") ||
		!strings.Contains(env["KAFKA_ADVERTISED_LISTENERS"], "//kafka:19092") {
		t.Error("the config of compose and Kafka's listener do not agree on kafka:19092")
	}
}
