package main

import (
	"net/url"
	"strings"
)

// shortestHidden is the length from which on what a reference stands for is hidden: the
// name of a region is none of the secrets.
const shortestHidden = 8

// hide keeps what references to secrets stand for out of everything that a source shows: a
// key may be a part of an address.
func (c *Config) hide(secrets []string) {
	for i := range c.Sources {
		s := &c.Sources[i]
		for _, secret := range secrets {
			if len(secret) >= shortestHidden {
				s.URL = strings.NewReplacer(secret, redacted, url.PathEscape(secret), redacted).Replace(s.URL)
			}
		}
		for j := range s.Collections {
			col := &s.Collections[j]
			if col.Rest.Secrets = secrets; col.Feed != nil {
				col.Feed.Secrets = secrets
			}
		}
		if s.Handler != nil {
			s.Handler.Rest.Secrets = secrets
		}
	}
}
