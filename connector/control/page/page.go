// Package page is the status page: what an operator sees in a browser. It is a document, a
// style and ES modules, page.js the first of them, without a build between them and the
// browser; what they show they ask of the control API.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
)

//go:embed page.html page.css *.js icon.svg
var files embed.FS

// policy lets the page run its own script and no other, talk to its own connector and to
// nobody else, and makes of no text markup: in a browser that knows trusted types, code
// that tries fails. Nothing within the page is inline.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// A file is one of the page's, as it is answered.
type file struct {
	contentType, tag string
	body             []byte
}

// Handler returns the page, which is at / and names its files by relative addresses. It
// expects to stand behind the guard of the control API and knows no other path.
func Handler() http.Handler {
	known := map[string]file{
		"/":         load("page.html", "text/html; charset=utf-8"),
		"/page.css": load("page.css", "text/css; charset=utf-8"),
		"/icon.svg": load("icon.svg", "image/svg+xml"),
	}
	for _, module := range modules() {
		known["/"+module] = load(module, "text/javascript; charset=utf-8")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := known[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
		default:
			f.serve(w, r)
		}
	})
}

func modules() []string {
	names, err := fs.Glob(files, "*.js")
	if err != nil {
		panic(err) // of the pattern
	}
	return names
}

func load(name, contentType string) file {
	body, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is compiled in
	}
	digest := sha256.Sum256(body)
	return file{contentType: contentType, tag: `"` + hex.EncodeToString(digest[:8]) + `"`, body: body}
}

// serve asks browsers to ask again each time, so that a page is never older than the API
// that it talks to.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	w.Write(f.body) // who has gone is nobody's error
}
