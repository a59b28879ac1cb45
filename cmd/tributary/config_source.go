package main

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"tributary/connector/rest"
)

// presets are where a source's preset is found: YAML of the same kind by its name.
type presets struct {
	lookup func(name string) ([]byte, bool)
	names  func() []string
}

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
}

func (f *fileDecoder) sources(n *node) {
	if !f.isKind(n, listNode) {
		return
	}
	if len(n.items) == 0 {
		f.fail(n, "needs at least one source")
	}
	lines := map[string]int{}
	for _, item := range n.items {
		if source, ok := f.source(item, lines); ok {
			f.cfg.Sources = append(f.cfg.Sources, source)
		}
	}
}

// source decodes one source. What it says for all of its collections is decoded once
// by itself, so that what every collection overrides is still checked.
func (f *fileDecoder) source(own *node, lines map[string]int) (SourceConfig, bool) {
	var s SourceConfig
	if !f.isKind(own, mapNode) {
		if own.kind == nullNode {
			f.fail(own, "is empty")
		}
		return s, false
	}
	if at := own.get("type"); at != nil && f.oneOf(at, typeRest, typeHandler) == typeHandler {
		ok := f.handlerSource(own, &s, lines)
		return s, ok
	}
	preset := f.preset(own, &s)
	whole := overlay(preset.without("collections"), own.without("collections"))
	a := f.account(whole, &s)
	f.require(own, "name")
	if first, twice := lines[s.Name]; twice && s.Name != "" {
		f.fail(own.at("name"), "is %q, and so is that of the source in line %d", s.Name, first)
		return s, false
	}
	lines[s.Name] = own.at("name").pos.line

	theirs := own.get("collections")
	if theirs == nil {
		theirs = preset.get("collections")
	}
	if theirs == nil && s.Preset != "" && preset == nil {
		return s, s.Name != "" // reported
	}
	if theirs == nil {
		f.fail(own, `needs "collections"`)
		return s, false
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

// preset returns the tree of the preset that a source names, nil without one.
func (f *fileDecoder) preset(own *node, s *SourceConfig) *node {
	at := own.get("preset")
	if at == nil {
		return nil
	}
	name := f.name(at)
	if name == "" {
		return nil
	}
	s.Preset = name
	if tree, done := f.parsed[name]; done {
		return tree
	}
	f.parsed[name] = nil
	data, ok := f.presets.lookup(name)
	if !ok {
		f.fail(at, "is %s, which is no preset%s", shown(at), suggestion(name, f.presets.names()))
		return nil
	}
	tree := parseTree(f.decoder, newConfigText("preset "+name, data))
	if tree != nil && f.isKind(tree, mapNode) {
		f.parsed[name] = tree
	}
	return f.parsed[name]
}

// account decodes the keys of a source, those for its collections among them.
func (f *fileDecoder) account(whole *node, s *SourceConfig) account {
	var a account
	before := len(f.problems)
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
	if s.Preset == "" || f.parsed[s.Preset] != nil {
		f.require(whole, "url") // a preset that there is not might have had one
	}
	if t := whole.get("tls"); t != nil && a.base != nil && a.base.Scheme != "https" {
		f.fail(t, "has no meaning for a url that is not https")
	}
	f.loggedIn(&a, s)
	a.name, a.broken = s.Name, len(f.problems) > before
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
	lines := map[string]int{}
	defaults := f.byName(preset.get("collections"))
	below := preset.without(append(sourceOnly, "name")...)
	above := own.without(append(sourceOnly, "name")...)
	for _, item := range list.items {
		item, name := f.collection(item)
		if name == "" {
			continue
		}
		if first, twice := lines[name]; twice {
			f.fail(item.at("name"), "is %q, and so is that of the collection in line %d", name, first)
			continue
		}
		lines[name] = item.at("name").pos.line
		f.knownTo(s.Preset, defaults, name, overlay(above, item), item)
		whole := overlay(overlay(below, defaults[name]), above)
		if item != defaults[name] {
			whole = overlay(whole, item)
		}
		c := newCollectionDecoder(f.decoder, &a)
		c.collection(whole, a, name)
		s.Collections = append(s.Collections, CollectionConfig{Settings: c.settings, Rest: c.rest, Feed: c.feedRest, TLS: s.TLS, Topic: f.topic(whole, c), Letters: f.letters(whole, c)})
	}
}

// knownTo refuses a name that the preset does not have, unless the user says by path what
// to ask for: of a name that is mistyped nothing but 404 would come, at the first poll.
func (f *fileDecoder) knownTo(preset string, defaults map[string]*node, name string, own, at *node) {
	if len(defaults) == 0 || defaults[name] != nil || own.get("path") != nil {
		return
	}
	f.fail(at.at("name"), "is %s, which the preset %s does not have%s. If the API does, say where: {name: NAME, path: PATH}",
		shown(at.at("name")), preset, suggestion(name, slices.Collect(maps.Keys(defaults))))
}

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
	f.require(item, "name")
	if item.get("name") == nil {
		return nil, ""
	}
	return item, f.topicWord(item.get("name"))
}

// byName returns the preset's collections by their names.
func (f *fileDecoder) byName(list *node) map[string]*node {
	out := map[string]*node{}
	if list == nil {
		return out
	}
	for i, item := range list.items {
		// Kept in the list too: without entries of the user's it is decoded as his.
		if m, name := f.collection(item); name != "" {
			list.items[i], out[name] = m, m
		}
	}
	return out
}

// topic names the topic of a collection. Two collections must not share one.
func (f *fileDecoder) topic(n *node, c *collectionDecoder) string {
	source, name := c.settings.Source, c.settings.Collection
	if f.cfg.Topics.Name == "" || source == "" {
		return "" // reported
	}
	topic := strings.NewReplacer("{source}", source, "{collection}", name).Replace(f.cfg.Topics.Name)
	if err := checkTopic(topic); err != nil {
		f.fail(n, "is the collection %s, whose topic %s %v", name, topic, err)
		return ""
	}
	had, ok := f.topics.take(topic, source+"."+name)
	switch {
	case ok:
	case had.topic == topic:
		f.fail(n, "publishes to the topic %s, which is that of %s", topic, had.owner)
	default:
		f.fail(n, "publishes to the topic %s, which Kafka takes for the topic %s of %s: only dots and underscores differ", topic, had.topic, had.owner)
	}
	return topic
}
