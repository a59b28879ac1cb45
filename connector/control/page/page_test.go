package page_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tributary/connector/control/page"
)

func get(t *testing.T, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	return w
}

// scripts are the paths of what the page runs: what its head names, and what that imports.
func scripts(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile(`<script(?: type="module")? src="([a-z]+\.js)">`).FindAllStringSubmatch(get(t, "GET", "/").Body.String(), -1) {
		all = append(all, "/"+m[1])
	}
	imports := regexp.MustCompile(`(?m)^import .* from '\./([a-z]+\.js)'$`)
	for i := 0; i < len(all); i++ {
		for _, m := range imports.FindAllStringSubmatch(get(t, "GET", all[i]).Body.String(), -1) {
			if path := "/" + m[1]; !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

func TestEveryScriptIsPartOfThePage(t *testing.T) {
	files, err := filepath.Glob("*.js")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scripts: %v", len(files), err)
	}
	used := scripts(t)
	for _, f := range files {
		if !slices.Contains(used, "/"+f) {
			t.Errorf("%s is imported by nothing", f)
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines > 300 {
			t.Errorf("%s has %d lines, more than 300", f, lines)
		}
	}
	if len(used) != len(files) {
		t.Errorf("the page runs %v, there are %v", used, files)
	}
}

func TestThePageAndItsFilesAreServed(t *testing.T) {
	all := map[string]string{"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"}
	for _, script := range scripts(t) {
		all[script] = "text/javascript; charset=utf-8"
	}
	for path, contentType := range all {
		w := get(t, "GET", path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != contentType || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %q, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "require-trusted-types-for 'script'; trusted-types 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: its policy is %q", path, csp)
		}
		if again := get(t, "GET", path, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s asked for again with its tag: %d, %d bytes", path, again.Code, again.Body.Len())
		}
	}
}

func TestWhatThePageDoesNotKnowIsNotThere(t *testing.T) {
	for _, path := range []string{"/page.html", "/page.go", "/index.html", "/../page.js", "/other"} {
		if w := get(t, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(t, "POST", "/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// What is inline would not run under the page's policy; what comes from elsewhere would
// tell others who operates which connector.
func TestNothingIsInlineOrFromElsewhere(t *testing.T) {
	html := get(t, "GET", "/").Body.String()
	inline := regexp.MustCompile(`<style|\sstyle=|\son[a-z]+=|javascript:|<script[^>]*>[^<]`)
	if found := inline.FindString(html); found != "" {
		t.Errorf("the page has something inline: %s", found)
	}
	if !strings.Contains(html, `<script type="module" src="page.js">`) {
		t.Error("the page has no script: nothing was tested")
	}
	markup := regexp.MustCompile(`innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|eval\(|new Function`)
	for _, script := range scripts(t) {
		if found := markup.FindString(get(t, "GET", script).Body.String()); found != "" {
			t.Errorf("%s makes markup or code of text: %s", script, found)
		}
	}
	for _, path := range append(scripts(t), "/", "/page.css") {
		elsewhere := regexp.MustCompile(`(https?:)?//[a-z0-9-]+\.[a-z]|url\(|@import`)
		body := strings.ReplaceAll(get(t, "GET", path).Body.String(), "http://www.w3.org/2000/svg", "")
		if found := elsewhere.FindString(body); found != "" {
			t.Errorf("%s: it asks for something elsewhere: %s", path, found)
		}
	}
}
