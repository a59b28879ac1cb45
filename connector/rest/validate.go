package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tributary/connector/rest/canon"
)

// Bounds of a config, each with its reason.
const (
	// maxDepthLimit: the time a page takes grows with its size times its depth.
	maxDepthLimit = 1000
	// maxBodyLimit: offsets into a page and its canonical text are 32 bits wide.
	maxBodyLimit = 512 << 20
)

// Validate says everything that is wrong with the config, each error with its reason.
func (c *Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	c.validateAddress(bad)
	c.main().validate(c, bad, "request")
	bad(c.Timeout <= 0, "timeout is %v: a page needs a deadline, or a server that hangs stops the collection unseen", c.Timeout)
	bad(c.MaxBody < 1 || c.MaxBody > maxBodyLimit, "max_body is %d bytes: it must be from 1 to %d", c.MaxBody, maxBodyLimit)
	bad(c.MaxCompressed < 1 || c.MaxCompressed > maxBodyLimit, "max_compressed is %d bytes: it must be from 1 to %d", c.MaxCompressed, maxBodyLimit)
	bad(c.MaxDepth < 1 || c.MaxDepth > maxDepthLimit, "max_depth is %d: it must be from 1 to %d", c.MaxDepth, maxDepthLimit)

	path := func(what, p string) {
		if p != "" {
			err := canon.CheckPath(p)
			bad(err != nil, "%s: %v", what, err)
		}
	}
	c.validateRequest(bad, path)
	bad(len(c.CountParams) > 0 && c.Total == "", "page.count_params ask for a count, and page.total does not say where it is")
	if err := checkFormat(c.Format); err != nil {
		errs = append(errs, err)
	}
	c.validateParams(bad)
	c.validatePaths(bad, path)
	if c.Auth != nil {
		if err := c.Auth.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateAddress(bad func(bool, string, ...any)) {
	if c.Base == nil {
		bad(true, "url is missing")
		return
	}
	bad(c.Base.Scheme != "http" && c.Base.Scheme != "https" || c.Base.Hostname() == "", "url must be http:// or https:// and name a host")
	bad(c.Base.User != nil, "url holds a credential: it belongs under auth, or logs and errors would show it")
	bad(c.Base.RawQuery != "" || c.Base.ForceQuery || c.Base.Fragment != "", "url has a query or fragment: parameters belong under request.params")
	c.validateAddressPath(bad, "path", c.Path)
}

// validateAddressPath checks a path below the base.
func (c *Config) validateAddressPath(bad func(bool, string, ...any), what, path string) {
	for _, part := range strings.Split(path, "/") {
		bad(part == "." || part == "..", "%s %q leaves the url", what, path)
	}
	bad(strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://"), "%s %q is an address: it is a path below url, which no request leaves", what, path)
	bad(strings.ContainsAny(path, "?#\\") || hasControl(path), "%s %q has a query, a fragment or control characters: parameters belong under request.params", what, path)
	_, err := url.PathUnescape(path)
	bad(err != nil, "%s %q has a %% that encodes nothing", what, path)
}

// reserved are the headers that the connection sets; the values of the first two
// decide what an answer means.
var reserved = map[string]bool{"Accept-Encoding": true, "Host": true, "Connection": true, "Content-Length": true,
	"Transfer-Encoding": true, "Te": true, "Trailer": true, "Upgrade": true, "Range": true}

func (r *Request) validate(c *Config, bad func(bool, string, ...any), where string) {
	method := r.method()
	bad(method != http.MethodGet && method != http.MethodPost, "%s.method is %q: it is GET or POST", where, r.Method)
	bad(r.Body != nil && method != http.MethodPost, "%s.body is sent by POST alone: set %s.method", where, where)
	for name, values := range r.Headers {
		bad(!isToken(name), "header name %q is not one", name)
		bad(reserved[http.CanonicalHeaderKey(name)], "header %q is set by the connection", name)
		for _, v := range values {
			bad(hasControl(v), "the value of header %q has control characters", name)
		}
		bad(c.Auth != nil && strings.EqualFold(name, c.Auth.header()), "header %q is set by auth", name)
	}
}

func (c *Config) validatePaths(bad func(bool, string, ...any), path func(what, p string)) {
	bad(c.ID == "", "id is empty: a record needs a key")
	bad(c.Instant == "" && !c.Undated, "cursor.field is empty: a record needs the instant of its last change")
	path("records", c.Records)
	if c.ID != ParentPart {
		path("id", c.ID)
	}
	for _, p := range c.IDMore {
		bad(p == "", "id has an empty path")
		if p != ParentPart {
			path("id", p)
		}
	}
	path("unwrap", c.Unwrap)
	bad(c.DeletedEquals != "" && !isScalar(c.DeletedEquals), "deletions.equals is no text, number or truth value")
	path("cursor.field", c.Instant)
	for _, p := range c.InstantElse {
		bad(p == "", "cursor.field has an empty path")
		path("cursor.field", p)
	}
	path("deletions.field", c.Deleted)
	path("page.next", c.Next)
	path("page.end", c.End)
	path("page.token", c.Token)
	path("page.next_url", c.NextURL)
	path("page.total", c.Total)
	path("echo.from", c.EchoFrom)
	for p := range c.EchoOrder {
		bad(p == "", "echo.order has an empty path")
		path("echo.order", p)
	}
	c.validateValue(bad, path)
	bad(len(c.Include) > 0 && len(c.Exclude) > 0, "hash has include and exclude: what is not included is excluded already")
	for _, p := range append(append([]string(nil), c.Include...), c.Exclude...) {
		bad(p == "", "hash has an empty path")
		bad(hasIndex(p), "hash has %q with an index, which is never found: a hash goes through arrays, into every element (leave the index out; a member of that name is written with dots)", p)
		path("hash", p)
	}
}

// Validate says what is wrong with a credential, which it never quotes. The error begins
// with the key that it is about: auth, auth.header.name.
func (a *Auth) Validate() error {
	if a.OAuth != nil {
		return nil // checked where it is decoded
	}
	kinds := 0
	for _, set := range []bool{a.Bearer != "", a.HeaderName != "" || a.Header != "", a.QueryName != "" || a.Query != "", a.Username != "" || a.Password != ""} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return fmt.Errorf("auth sets %d credentials: it must be exactly one of bearer, header, query and basic (is a variable empty?)", kinds)
	case a.HeaderName != "" && (!isToken(a.HeaderName) || reserved[http.CanonicalHeaderKey(a.HeaderName)]):
		return fmt.Errorf("auth.header.name %q cannot be the name of a credential's header", a.HeaderName)
	case (a.HeaderName == "") != (a.Header == ""):
		return errors.New("auth.header needs a name and a value")
	case (a.QueryName == "") != (a.Query == ""):
		return errors.New("auth.query needs a name and a value")
	case strings.Contains(a.Username, ":"):
		return errors.New("auth.basic.username has a colon: the server would read what follows as the password")
	}
	for _, v := range []string{a.Bearer, a.Header, a.Query, a.Username, a.Password} {
		if hasControl(v) {
			return errors.New("auth has a credential with control characters: is there a line break at the end of its file?")
		}
	}
	return nil
}

// CheckPath says whether a path into JSON can be one: names joined by dots, or a JSON
// Pointer.
func CheckPath(path string) error { return canon.CheckPath(path) }

// isScalar says whether a text is the JSON of a text, a number or a truth value.
func isScalar(text string) bool {
	return json.Valid([]byte(text)) && !strings.ContainsAny(text[:1], "[{ \t\r\n") && text != "null"
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// isToken says whether s can name a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
