// Package arch keeps the architecture: which package may know of which, and a few
// habits. A rule that is in the way is changed here, with its reason, and not worked
// around.
package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "tributary"

// A pkg is what go list says of a package.
type pkg struct {
	ImportPath, Dir, Name string
	// Imports are those of the files that are built, without tests.
	Imports []string
	GoFiles []string
}

// A rule holds for the packages at or below Of.
type rule struct {
	Of string
	// Ours lists the packages of the module that may be imported beside those of the
	// same rule; what is not listed may not. nil: any.
	Ours []string
	// Never lists packages of others, each with what is below it.
	Never []string
	Why   string
}

const franz = "github.com/twmb/franz-go"

// The arrows: cmd → rest → connector ← offsets ← sink ← cmd. The first rule that fits a
// package is its rule.
var rules = []rule{
	{
		Of: "connector/rest", Ours: []string{"connector"}, Never: []string{franz, "testing"},
		Why: "a source knows its API and the vocabulary: what it reads is published by others, and it can be tested without Kafka",
	},
	{
		Of: "connector/handler", Ours: []string{"connector", "connector/contract", "connector/rest", "connector/rest/canon"}, Never: []string{franz, "testing"},
		Why: "a source knows its API and the vocabulary, and can be tested without Kafka; a handler is called and checked, and its records are hashed and masked, as an API's are",
	},
	{
		Of: "connector/control", Ours: []string{"connector"}, Never: []string{franz, "testing"},
		Why: "it shows and operates what runs through one interface, and can be tested without any of it",
	},
	{
		Of: "connector", Ours: []string{}, Never: []string{franz, "net/http", "testing"},
		Why: "the hub is pure: it decides what is new from pages and memory alone, so that it can be simulated in virtual time",
	},
	{
		Of: "offsets", Ours: []string{"connector"}, Never: []string{"net/http", "golang.org/x/oauth2", "testing"},
		Why: "the table reads and encodes the offsets topic: what is new is decided before it, what is written is decided after it",
	},
	{
		Of: "sink/replica", Ours: []string{"connector", "offsets", "sink", "connector/rest/canon"}, Never: []string{"net/http", "golang.org/x/oauth2", "testing"},
		Why: "a replica has what any consumer has: it reads the topics, and paths into records mean what they mean in the config",
	},
	{
		Of: "sink", Ours: []string{"connector", "offsets"}, Never: []string{"net/http", "golang.org/x/oauth2", "testing"},
		Why: "a transaction never waits for a request to a source, so the lane cannot send one",
	},
	{
		Of: "cmd/tributary", Ours: nil, Never: []string{"testing"},
		Why: "package testing puts its flags into the program",
	},
	{
		Of: "deploy", Ours: []string{"connector", "connector/handler"}, Never: []string{franz, "testing"},
		Why: "an example shows what a user's program needs, and no more",
	},
	{
		Of: "test", Ours: nil,
		Why: "suites may look at everything",
	},
}

// judge returns what is wrong with the imports of a package.
func judge(path string, imports []string) []string {
	own := strings.TrimPrefix(path, module+"/")
	i := ruleOf(own)
	if i < 0 {
		return []string{fmt.Sprintf("%s is new: say in test/arch what it may import", path)}
	}
	r := rules[i]
	var wrong []string
	for _, imp := range imports {
		ours, isOurs := strings.CutPrefix(imp, module+"/")
		for _, never := range r.Never {
			if within(imp, never) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", path, imp, r.Why))
			}
		}
		switch {
		case !isOurs:
		case within(ours, "test") && !within(own, "test") && own != "cmd/tributary":
			wrong = append(wrong, fmt.Sprintf("%s imports %s: what is built for tests is not built for users; the demo in cmd/tributary alone shows it to them", path, imp))
		case r.Ours != nil && !slices.Contains(r.Ours, ours) && ruleOf(ours) != i:
			wrong = append(wrong, fmt.Sprintf("%s imports %s and may import %s of ours: %s", path, imp, allowed(r), r.Why))
		}
	}
	return wrong
}

// ruleOf returns the number of a package's rule, -1 for none.
func ruleOf(own string) int {
	return slices.IndexFunc(rules, func(r rule) bool { return within(own, r.Of) })
}

func allowed(r rule) string {
	if len(r.Ours) == 0 {
		return "none"
	}
	return strings.Join(r.Ours, ", ")
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// TestTheRulesBite gives the rules what they are to refuse, and what not.
func TestTheRulesBite(t *testing.T) {
	for _, c := range []struct {
		path, imp string
		fine      bool
	}{
		{"connector", franz + "/pkg/kgo", false},
		{"connector", "net/http", false},
		{"connector", "net/http/httptest", false},
		{"connector", "tributary/offsets", false},
		{"connector", "tributary/connector/rest", false},
		{"connector", "net/httpx", true},
		{"connector/rest", "net/http", true},
		{"connector/rest", "tributary/connector", true},
		{"connector/rest", "tributary/connector/rest/canon", true},
		{"connector/rest/canon", "tributary/connector", true},
		{"connector/handler", "tributary/connector/rest", true},
		{"connector/handler", "tributary/connector/rest/oauth", false},
		{"connector/handler", "tributary/sink", false},
		{"connector/rest", franz + "/pkg/kgo", false},
		{"connector/rest", "tributary/offsets", false},
		{"connector/rest", "tributary/sink", false},
		{"offsets", "tributary/connector", true},
		{"offsets", franz + "/pkg/kgo", true},
		{"offsets", "tributary/connector/rest", false},
		{"offsets", "tributary/sink", false},
		{"offsets", "tributary/cmd/tributary", false},
		{"offsets", "net/http", false},
		{"offsets", "golang.org/x/oauth2/clientcredentials", false},
		{"sink", "tributary/offsets", true},
		{"sink", "tributary/connector/rest", false},
		{"sink", "tributary/test/kafkatest", false},
		{"sink", "net/http", false},
		{"sink", "testing", false},
		{"sink/replica", "tributary/connector/rest/canon", true},
		{"sink/replica", "tributary/connector/rest", false},
		{"sink", "tributary/connector/rest/canon", false},
		{"cmd/tributary", "tributary/test/hostile", true},
		{"cmd/other", "tributary/test/hostile", false},
		{"test/e2e", "tributary/sink", true},
	} {
		wrong := judge(module+"/"+c.path, []string{c.imp})
		if (len(wrong) == 0) != c.fine {
			t.Errorf("%s imports %s: fine is to be %v, said %q", c.path, c.imp, c.fine, wrong)
		}
	}
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, p := range packages(t) {
		for _, wrong := range judge(p.ImportPath, p.Imports) {
			t.Error(wrong)
		}
	}
}

func TestPackagesAreNamedForWhatTheyProvide(t *testing.T) {
	empty := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "types", "foundation"}
	for _, p := range packages(t) {
		if slices.Contains(empty, p.Name) {
			t.Errorf("%s: a package is named for what it provides at the call, and %q provides nothing", p.ImportPath, p.Name)
		}
	}
}

// TestNoChannelInAnAPI: a channel in a signature leaves open who closes it and who
// waits for whom. A function returns values, or takes a callback.
func TestNoChannelInAnAPI(t *testing.T) {
	files := token.NewFileSet()
	for _, p := range packages(t) {
		if p.Name == "main" {
			continue
		}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if ok && fn.Name.IsExported() && hasChannel(fn.Type) {
					t.Errorf("%s: %s has a channel in its signature, which says neither who closes it nor who waits: return values, or take a callback",
						files.Position(fn.Pos()), fn.Name.Name)
				}
			}
		}
	}
}

func hasChannel(fn *ast.FuncType) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		_, ok := n.(*ast.ChanType)
		found = found || ok
		return !found
	})
	return found
}

func TestAChannelIsSeen(t *testing.T) {
	for src, want := range map[string]bool{
		"package p; func F(c chan int)":                     true,
		"package p; func F() (<-chan int, error)":           true,
		"package p; func F(map[string][]chan<- struct{})":   true,
		"package p; func F(a int, f func(string) error)":    false,
		"package p; func F() { c := make(chan int); <-c }":  false,
		"package p; func F(f func(done chan struct{})) int": true,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := hasChannel(f.Decls[0].(*ast.FuncDecl).Type); got != want {
			t.Errorf("%s: %v, want %v", src, got, want)
		}
	}
}

const maxLines = 400

func TestNoFileIsLong(t *testing.T) {
	root := moduleRoot(t)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil // gone meanwhile
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := strings.Count(string(text), "\n"); n > maxLines {
			rel, _ := filepath.Rel(root, path)
			t.Errorf("%s has %d lines, more than %d: it holds two things, and a reader wants to know which", rel, n, maxLines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// packages lists every package of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Name,Imports,GoFiles", "./...")
	cmd.Dir = moduleRoot(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list names %d packages", len(all))
	}
	return all
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}
