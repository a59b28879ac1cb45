// Package deploy tests what is in the folder deploy: nothing there names a metric, a
// key of the config or a file that does not exist.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/connector"
)

const root = "../.."

// registry returns every metric of Tributary with every series that exists from the
// start, and those of the process beside them.
func registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewRegistry()
	m := connector.NewMetrics(reg)
	m.Source("s")
	c := m.Collection("s", "c")
	c.EventAge.Observe(1)
	c.PollDuration.Observe(1)
	m.Lane("0")
	m.OAuth("s").Window.Observe(1)
	m.Replica("s", "c")
	connector.RegisterCertificate(reg, func() (from, until time.Time) { return })
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

func TestMetricsAreNamedAsPrometheusWants(t *testing.T) {
	problems, err := testutil.GatherAndLint(registry(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// An alertsFile is a file of rules, as far as it matters here.
type alertsFile struct {
	Groups []struct {
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

func alerts(t *testing.T) alertsFile {
	t.Helper()
	var f alertsFile
	if err := yaml.Unmarshal(read(t, "deploy/prometheus/alerts.yml"), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Groups) == 0 || len(f.Groups[0].Rules) < 8 {
		t.Fatalf("alerts.yml holds %+v", f)
	}
	return f
}

var (
	metricName = regexp.MustCompile(`\b(tributary|process|go)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b(tributary_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

func TestAlertsNameMetricsThatExist(t *testing.T) {
	// By name, the values that each label has.
	series := map[string]map[string]map[string]bool{}
	families, err := registry(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		labels := map[string]map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if labels[l.GetName()] == nil {
					labels[l.GetName()] = map[string]bool{}
				}
				labels[l.GetName()][l.GetValue()] = true
			}
		}
		series[f.GetName()] = labels
	}
	seen := 0
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			for _, name := range metricName.FindAllString(r.Expr, -1) {
				seen++
				if series[strings.TrimSuffix(name, "_bucket")] == nil {
					t.Errorf("%s names %s, which is no metric", r.Alert, name)
				}
			}
			for _, s := range selector.FindAllStringSubmatch(r.Expr, -1) {
				for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
					if label, value := m[1], m[2]; !series[strings.TrimSuffix(s[1], "_bucket")][label][value] {
						t.Errorf("%s asks for %s with %s=%q, which no series has", r.Alert, s[1], label, value)
					}
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("the alerts name %d metrics: they are not read right", seen)
	}
}

func TestRunbookNamesMetricsThatExist(t *testing.T) {
	known := map[string]bool{}
	families, err := registry(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		known[f.GetName()] = true
	}
	known["tributary_build_info"] = true // the program's own
	for _, file := range []string{"deploy/RUNBOOK.md", "README.md", "DESIGN.md"} {
		for _, name := range metricName.FindAllString(string(read(t, file)), -1) {
			if strings.HasPrefix(name, "tributary_") && !known[name] && !recordHeaders[name] {
				t.Errorf("%s names %s, which is no metric", file, name)
			}
		}
	}
}

// recordHeaders look like metrics.
var recordHeaders = map[string]bool{"tributary_batch": true, "tributary_digest": true, "tributary_hash": true}

func TestEveryAlertHasARunbookEntry(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^## (\w+)$`)
	entries := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(read(t, "deploy/RUNBOOK.md")), -1) {
		entries[m[1]] = true
	}
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			if !entries[r.Alert] {
				t.Errorf("%s has no entry in deploy/RUNBOOK.md", r.Alert)
			}
			delete(entries, r.Alert)
			if want := "deploy/RUNBOOK.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
				t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s has no summary or no description", r.Alert)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
		}
	}
	for name := range entries {
		t.Errorf("deploy/RUNBOOK.md has an entry for %s, which is no alert", name)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
