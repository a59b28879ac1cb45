package main

import (
	"strings"

	"tributary/connector/rest/oauth"
	"tributary/offsets"
)

// seal decodes the keys that seal secrets in the offsets topic.
func (d *decoder) seal(n *node) *offsets.Ring {
	ring := offsets.NewRing()
	var list *node
	d.object(n, keys{"keys": func(n *node) { list = n }})
	if n.kind == mapNode {
		d.require(n, "keys")
	}
	if list == nil || !d.isKind(list, listNode) {
		return ring
	}
	if len(list.items) == 0 {
		d.fail(list, "needs at least one key")
	}
	used, ids := map[string]*node{}, map[string]*node{}
	for _, item := range list.items {
		var id, text string
		d.object(item, keys{
			"id":  func(n *node) { id = d.name(n) },
			"key": func(n *node) { text = d.secret(n).Reveal() },
		})
		if item.kind != mapNode {
			d.keepSecret(item)
			continue
		}
		if d.require(item, "id", "key"); id == "" || text == "" {
			continue
		}
		key, err := offsets.ParseSealKey(text)
		if err != nil {
			d.fail(item.at("key"), "%v", err)
			continue
		}
		if other, twice := used[string(key)]; twice {
			d.fail(item.at("key"), "is the key %s in %v once more", shown(other), other.pos)
			continue
		}
		if used[string(key)] = item.at("id"); ring.Add(id, key) != nil {
			d.fail(item.at("id"), "is %q, and so is that of the key in %v", id, ids[id].pos)
			continue
		}
		ids[id] = item.at("id")
	}
	return ring
}

// oauth2 decodes how a source's token is got.
func (f *fileDecoder) oauth2(n *node) *oauth.Config {
	c := &oauth.Config{Params: map[string]string{}}
	f.object(n, keys{
		"flow": func(n *node) {
			c.Flow = oauth.Flow(f.oneOf(n, string(oauth.ClientCredentials), string(oauth.RefreshToken)))
		},
		"token_url":     func(n *node) { c.TokenURL = f.tokenURL(n) },
		"auth_url":      func(n *node) { c.AuthURL = f.tokenURL(n) },
		"device_url":    func(n *node) { c.DeviceURL = f.tokenURL(n) },
		"client_id":     func(n *node) { c.ClientID = f.name(n) },
		"client_secret": func(n *node) { c.ClientSecret = f.credential(n) },
		"refresh_token": func(n *node) { c.Seed = f.credential(n) },
		"scopes":        func(n *node) { c.Scopes = f.texts(n) },
		"auth_style": func(n *node) {
			c.Style = oauth.Style(f.oneOf(n, string(oauth.InHeader), string(oauth.InBody), string(oauth.JSONBody)))
		},
		"params": func(n *node) {
			f.scalars(n, func(key, value string, _ *node) {
				c.Params[key] = value
				f.secrets[value] = true // an assertion, say
			})
		},
	})
	if n.kind != mapNode {
		f.keepSecret(n)
		return c
	}
	f.require(n, "flow", "token_url", "client_id")
	switch c.Flow {
	case oauth.ClientCredentials:
		f.require(n, "client_secret")
		for _, key := range []string{"refresh_token", "auth_url", "device_url"} {
			if at := n.get(key); at != nil {
				f.fail(at, "has no meaning for flow: client_credentials, in which nobody logs in")
			}
		}
	case oauth.RefreshToken:
		if f.cfg.Seal.First() == "" && !f.badSeal {
			f.fail(n, "needs `seal: {keys: [{id: k1, key: \"${env:TRIBUTARY_SEAL_KEY}\"}]}` at the top level: a refresh token is kept in the offsets topic, and never in the clear; `openssl rand -hex 32` makes a key")
		}
	}
	if c.Style == "" {
		// What every server must take (RFC 6749 section 2.3.1), and what is left for a
		// client that has no secret.
		if c.Style = oauth.InHeader; c.ClientSecret == "" {
			c.Style = oauth.InBody
		}
	}
	if c.Style == oauth.InHeader && c.ClientSecret == "" && n.get("client_secret") == nil && n.get("auth_style") != nil {
		f.fail(n.at("auth_style"), "is header, which needs a client_secret: a client without one is named in the body")
	}
	return c
}

// credential decodes a secret that must be one line: a line break at the end of a file
// would be sent with it.
func (d *decoder) credential(n *node) string {
	s := d.secret(n).Reveal()
	if strings.ContainsAny(s, "\r\n\x00") {
		d.fail(n, "has a line break or a control character in it")
	}
	return s
}
