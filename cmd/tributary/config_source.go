package main

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"tributary/connector/rest"
)

// sourceOnly are the keys that a collection cannot have: they belong to the account.
var sourceOnly = []string{"type", "preset", "url", "tls", "auth", "budget", "replica", "collections", "handler", "dump"}

// An account is what all collections of a source share.
type account struct {
	name string
	base *url.URL
	auth *rest.Auth
	// broken says that something was wrong with it, or with what the source says for
	// its collections.
	broken bool
	// noPreset says that it wants a preset that cannot be used: what the source lacks may
	// be there.
	noPreset bool
}

func (f *fileDecoder) sources(n *node) {
	if !f.isKind(n, listNode) {
		return
	}
	if len(n.items) == 0 {
		f.fail(n, "needs at least one source")
	}
	places := map[string]position{}
	for _, item := range n.items {
		if source, ok := f.source(item, places); ok {
			f.cfg.Sources = append(f.cfg.Sources, source)
		}
	}
}

// source decodes one source. What it says for all of its collections is decoded once
// by itself, so that what every collection overrides is still checked.
func (f *fileDecoder) source(own *node, places map[string]position) (SourceConfig, bool) {
	var s SourceConfig
	if !f.isKind(own, mapNode) {
		if own.kind == nullNode {
			f.fail(own, "is empty")
		}
		return s, false
	}
	switch f.sourceType(own) {
	case "":
		return s, false
	case typeHandler:
		ok := f.handlerSource(own, &s, places)
		return s, ok
	}
	preset := f.preset(own, &s)
	whole := overlay(preset.without("collections"), own.without("collections"))
	a := f.account(whole, &s)
	f.require(own, "name")
	if first, twice := places[s.Name]; twice && s.Name != "" {
		f.fail(own.at("name"), "is %q, and so is that of the source in %v", s.Name, first)
		return s, false
	}
	places[s.Name] = own.at("name").pos

	theirs := own.get("collections")
	if theirs == nil {
		theirs = preset.get("collections")
	}
	if theirs == nil {
		if !a.noPreset {
			f.require(own, "collections")
		}
		return s, s.Name != "" && a.noPreset
	}
	if !f.isKind(theirs, listNode) {
		return s, false
	}
	if len(theirs.items) == 0 {
		f.fail(theirs, "needs at least one collection")
	}
	f.collections(theirs, own, preset, a, &s)
	f.checkReplica(own, &s)
	return s, s.Name != ""
}

// sourceType returns what kind of source it is, or is probably meant to be, so that what else is
// wrong is found too and nothing follows from a typing error; "" where nothing tells.
func (f *fileDecoder) sourceType(own *node) string {
	at := own.get("type")
	isHandler := own.get("handler") != nil && own.get("url") == nil && own.get("preset") == nil
	switch {
	case at == nil && isHandler && slices.ContainsFunc(own.fields, func(f field) bool { return nearest(f.key, []string{"type"}) != "" }):
		return typeHandler // the key is going to be reported
	case at == nil && isHandler:
		f.fail(own.get("handler"), "%s", ofHandler)
		return typeHandler
	case at == nil:
		return typeRest
	}
	if t := f.oneOf(at, typeRest, typeHandler); t != "" {
		return t
	}
	switch near := nearest(at.text, []string{typeRest, typeHandler}); {
	case near != "":
		return near
	case isHandler:
		return typeHandler
	case own.get("url") != nil, own.get("preset") != nil:
		return typeRest
	}
	return ""
}

// account decodes the keys of a source, those for its collections among them.
func (f *fileDecoder) account(whole *node, s *SourceConfig) account {
	var a account
	before := f.faults
	known := newCollectionDecoder(f.decoder, nil).keys()
	known["name"] = func(n *node) { s.Name = f.topicWord(n) }
	known["preset"] = func(*node) {}
	known["collections"] = func(*node) {}
	known["replica"] = func(n *node) { s.Replica = f.replica(n) }
	known["type"] = func(*node) {}
	known["budget"] = func(n *node) { s.Budget = f.budget(n) }
	known["tls"] = func(n *node) { s.TLS = f.sourceTLS(n) }
	known["auth"] = func(n *node) { a.auth = f.auth(n) }
	known["url"] = func(n *node) {
		if u, ok := f.url(n); ok {
			a.base, s.URL = u, u.String()
		}
	}
	f.object(f.refuse(whole, handlerOnly, known, ofHandler), known)
	a.noPreset = s.Preset != "" && f.parsed[s.Preset] == nil || f.mistyped(whole, "preset")
	if !a.noPreset {
		f.require(whole, "url")
	}
	if t := whole.get("tls"); t != nil && a.base != nil && a.base.Scheme != "https" {
		f.fail(t, "has no meaning for a url that is not https")
	}
	f.loggedIn(&a, s)
	a.name, a.broken = s.Name, f.faults > before
	return a
}

// loggedIn says whose token an account's is, if it has one.
func (f *fileDecoder) loggedIn(a *account, s *SourceConfig) {
	if a.auth == nil || a.auth.OAuth == nil {
		return
	}
	a.auth.OAuth.Source, s.OAuth = s.Name, a.auth.OAuth
	// Until an engine puts a keeper in its place.
	a.auth.Tokens = &borrower{cfg: &f.cfg, oauth: s.OAuth, tls: s.TLS}
}

// auth decodes a credential: exactly one of its kinds.
func (f *fileDecoder) auth(n *node) *rest.Auth {
	a, before := &rest.Auth{}, len(f.problems)
	f.object(n, keys{
		"bearer": func(n *node) { a.Bearer = f.secret(n).Reveal() },
		"header": func(n *node) {
			f.object(n, keys{
				"name":  func(n *node) { a.HeaderName = f.name(n) },
				"value": func(n *node) { a.Header = f.secret(n).Reveal() },
			})
			if n.kind == mapNode {
				f.require(n, "name", "value")
			}
		},
		"basic": func(n *node) {
			f.object(n, keys{
				// Some APIs take a key as the name and no password.
				"username": func(n *node) { a.Username = f.secret(n).Reveal() },
				"password": func(n *node) {
					if n.isScalar() && n.text == "" {
						return
					}
					a.Password = f.secret(n).Reveal()
				},
			})
			if n.kind == mapNode {
				f.require(n, "username")
			}
		},
		"query": func(n *node) {
			f.object(n, keys{
				"name":  func(n *node) { a.QueryName = f.name(n) },
				"value": func(n *node) { a.Query = f.secret(n).Reveal() },
			})
			if n.kind == mapNode {
				f.require(n, "name", "value")
			}
		},
		"oauth2": func(n *node) { a.OAuth = f.oauth2(n) },
	})
	if n.kind != mapNode {
		f.keepSecret(n)
	} else if len(n.fields) != 1 {
		f.fail(n, `wants one of "bearer", "header", "query", "basic" and "oauth2"`)
	}
	if err := a.Validate(); err != nil && len(f.problems) == before {
		f.failAt(n.pos, "%s%s", n.path, strings.TrimPrefix(err.Error(), "auth"))
	}
	return a
}

// collections decodes the collections of a source, each from four trees. From the
// lowest: the preset's source, the preset's collection, the user's source, the user's
// collection.
func (f *fileDecoder) collections(list, own, preset *node, a account, s *SourceConfig) {
	places := map[string]position{}
	var uncursored []*node
	defaults := f.byName(preset.get("collections"))
	below := preset.without(append(sourceOnly, "name")...)
	above := own.without(append(sourceOnly, "name")...)
	for _, item := range list.items {
		item, name := f.collection(item)
		if name == "" {
			continue
		}
		if first, twice := places[name]; twice {
			f.fail(item.at("name"), "is %q, and so is that of the collection in %v", name, first)
			continue
		}
		places[name] = item.at("name").pos
		meant := f.knownTo(s.Preset, defaults, name, overlay(above, item), item)
		whole := overlay(overlay(below, defaults[meant]), above)
		if item != defaults[name] {
			whole = overlay(whole, item)
		}
		c := newCollectionDecoder(f.decoder, &a)
		c.collection(whole, a, name)
		if c.uncursored {
			uncursored = append(uncursored, whole)
		}
		f.connector(whole, c)
		s.Collections = append(s.Collections, CollectionConfig{Settings: c.settings, Rest: c.rest, Feed: c.feedRest, TLS: s.TLS, Topic: f.topic(whole, c), Letters: f.letters(whole, c)})
	}
	switch {
	case len(uncursored) == 0 || a.noPreset:
	case len(uncursored) == 1:
		f.fail(uncursored[0], "%s", needsCursor)
	default: // the source may say it for all of them
		f.fail(uncursored[0], "%s; %d collections of this source have none", needsCursor, len(uncursored))
	}
}

const needsCursor = `needs "cursor": by which field records are ordered, and how to ask for them from there on`

// collection returns an entry of the list as a map, and its name; "" for an entry
// that cannot be used. A plain text is a map that has a name alone.
func (f *fileDecoder) collection(item *node) (*node, string) {
	if item.isScalar() {
		item = &node{kind: mapNode, pos: item.pos, path: item.path, fields: []field{
			{key: "name", pos: item.pos, in: item.path, value: item}}}
	}
	if item.kind != mapNode {
		f.fail(item, "wants a collection's name, or a map with a name; found %s", item.kind)
		return nil, ""
	}
	for _, belongs := range item.fields {
		if slices.Contains(sourceOnly, belongs.key) {
			f.failAt(belongs.pos, "%s belongs to the source: it is the same for all of its collections", belongs.value.path)
		}
	}
	if item.get("name") == nil {
		known := newCollectionDecoder(f.decoder, nil).keys()
		known["name"] = nil
		for _, at := range item.fields {
			if _, ok := known[at.key]; !ok && nearest(at.key, slices.Collect(maps.Keys(known))) == "name" {
				f.unknownKey(at, slices.Collect(maps.Keys(known)))
			}
		}
		f.require(item, "name")
		return nil, ""
	}
	return item, f.topicWord(item.get("name"))
}
