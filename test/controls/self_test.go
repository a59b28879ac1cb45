package controls

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What would catch nothing, or something else, is refused and not counted as caught.
func TestAPatchThatTellsNothingIsRefused(t *testing.T) {
	const header = "A mistake that is made for this test alone.\n\nCaught-by: ./sink TestX\n\n"
	const diff = "--- a/p/f.go\n+++ b/p/f.go\n@@ -1,2 +1,3 @@\n package p\n+var x int\n var y int\n"
	for name, c := range map[string]struct{ patch, says string }{
		"one that applies":          {header + diff, ""},
		"no words":                  {strings.Replace(header, "A mistake that is made for this test alone.\n\n", "", 1) + diff, "in words"},
		"a misspelt field":          {strings.Replace(header, "Caught", "Cought", 1) + diff, "Cought-by"},
		"no test":                   {strings.Replace(header, " TestX", "", 1) + diff, "no package and test"},
		"a suite that is changed":   {header + strings.ReplaceAll(diff, "f.go", "f_test.go"), "not the program"},
		"no diff":                   {header, "no file"},
		"a source that has changed": {header + strings.Replace(diff, "var y", "var z", 1), "the source moved: renew the patch"},
		"a source that is gone":     {header + strings.ReplaceAll(diff, "f.go", "g.go"), "the source moved, renew the patch"},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := t.TempDir(), t.TempDir()
			path := filepath.Join(root, "p", "f.go")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("package p\nvar y int\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			patch := filepath.Join(root, "x.patch")
			if err := os.WriteFile(patch, []byte(c.patch), 0o644); err != nil {
				t.Fatal(err)
			}
			control, err := read(patch)
			if err == nil {
				_, err = control.overlay(root, dir)
			}
			if c.says == "" {
				patched, _ := os.ReadFile(filepath.Join(dir, "p", "f.go"))
				if err != nil || !strings.Contains(string(patched), "var x int") {
					t.Errorf("got %v and %q", err, patched)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want one that says %q", err, c.says)
			}
			if real, _ := os.ReadFile(path); string(real) != "package p\nvar y int\n" {
				t.Errorf("the source itself was changed to %q", real)
			}
		})
	}
}

// A suite that fails elsewhere, or panics outside of its tests, has not caught by name.
func TestOnlyTheNamedTestCounts(t *testing.T) {
	o, err := parse([]byte(`
{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"    a_test.go:3: time=12:00 level=INFO msg=x\n"}
{"Action":"output","Test":"TestA","Output":"    a_test.go:7: it is wrong\n"}
{"Action":"fail","Test":"TestA"}
{"Action":"run","Test":"TestB"}
{"Action":"output","Test":"TestB","Output":"panic: elsewhere\n"}
{"Action":"fail"}
`))
	if err != nil {
		t.Fatal(err)
	}
	if o.ended["TestA"] != "fail" || o.ended["TestB"] != "" || o.message("TestA") != "a_test.go:7: it is wrong" {
		t.Errorf("TestA %q, TestB %q, message %q", o.ended["TestA"], o.ended["TestB"], o.message("TestA"))
	}
	for tests, want := range map[string]string{
		"TestA": "^TestA$", "TestA/b_(c)": `^TestA$/^b_\(c\)$`, "TestA TestB/c": "^(TestA|TestB)$",
	} {
		if got := (suite{tests: strings.Split(tests, " ")}).pattern(); got != want {
			t.Errorf("%s: pattern %s, want %s", tests, got, want)
		}
	}
}
