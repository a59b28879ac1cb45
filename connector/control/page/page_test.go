package page_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
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

func TestThePageAndItsFilesAreServed(t *testing.T) {
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml",
	} {
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
	if !strings.Contains(html, `<script src="page.js">`) {
		t.Error("the page has no script: nothing was tested")
	}
	markup := regexp.MustCompile(`innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|eval\(|new Function`)
	if found := markup.FindString(get(t, "GET", "/page.js").Body.String()); found != "" {
		t.Errorf("the script makes markup or code of text: %s", found)
	}
	for _, path := range []string{"/", "/page.css", "/page.js"} {
		elsewhere := regexp.MustCompile(`(https?:)?//[a-z0-9-]+\.[a-z]|url\(|@import`)
		body := strings.ReplaceAll(get(t, "GET", path).Body.String(), "http://www.w3.org/2000/svg", "")
		if found := elsewhere.FindString(body); found != "" {
			t.Errorf("%s: it asks for something elsewhere: %s", path, found)
		}
	}
}
