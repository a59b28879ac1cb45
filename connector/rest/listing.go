package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
)

// Listing returns a digest of everything that decides which records the collection
// lists: where it is, and what every reading asks for. A sweep after a change of it
// misses records on purpose. The credential is not in it: it changes by itself, and what
// another one does not see is what the guards of a sweep are for.
func (c *Config) Listing() string {
	headers, params := http.Header{}, url.Values{}
	for name, values := range c.Headers {
		if !secretHeader.MatchString(name) {
			headers[name] = values
		}
	}
	for name, values := range c.Params {
		if !IsSecretName(name) { // an author is none, and decides what is listed
			params[name] = values
		}
	}
	base := ""
	if c.Base != nil {
		base = c.Base.Redacted()
	}
	text, err := json.Marshal(struct {
		Base, Path, Records, ID, Instant, From, Method string
		Params                                         url.Values
		Headers                                        http.Header
		Clauses                                        map[string]Clauses
		Body                                           *Tree
		More                                           []string `json:",omitempty"`
	}{base, c.Path, c.Records, c.ID, c.Instant, c.From, c.Method, params, headers, c.Clauses, c.Body, c.listingMore()})
	if err != nil {
		panic(err) // texts always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// listingMore returns what only some configs have, nil for others.
func (c *Config) listingMore() (more []string) {
	if c.Parent != nil {
		list := c.Parent.config(c)
		more = append(more, list.Listing())
	}
	for _, list := range [][]string{c.IDMore, c.InstantElse, {c.Unwrap}} {
		if len(list) > 0 && list[0] != "" {
			more = append(more, pathsText("", list))
		}
	}
	return more
}
