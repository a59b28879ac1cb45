package main

import (
	"maps"
	"slices"
	"time"

	"tributary/connector"
	"tributary/connector/rest"
)

// HandlerConfig is a source whose changes a program of one's own tells.
type HandlerConfig struct {
	// Timeout is how long a response is waited for.
	Timeout time.Duration
	// Rest says how it is called.
	Rest rest.Config
	// Pulls says when: by its interval and triggers alone.
	Pulls connector.Settings
	// Dump says when everything is told anew; nil: never.
	Dump *DumpConfig
}

// DumpConfig says when a handler is asked for everything.
type DumpConfig struct {
	OnRestart bool
	Cron      []connector.Cron
	// MaxRatio and MaxCount are the guards of what a dump did not show.
	MaxRatio float64
	MaxCount int
}

// The kinds of sources.
const (
	typeRest    = "rest"
	typeHandler = "handler"
)

// handlerOnly are the keys of a source that a handler alone can have.
var handlerOnly = []string{"handler", "dump"}

// ofAHandler are the keys of a handler's source that say what its collections are like.
var ofAHandler = []string{"id", "hash", "value", "on_bad_record", "dlq"}

// handlerSource decodes a source of type handler.
func (f *fileDecoder) handlerSource(own *node, s *SourceConfig, places map[string]position) bool {
	h := &HandlerConfig{Timeout: defaultTimeout}
	s.Handler = h
	var a account
	before := f.faults
	c := newCollectionDecoder(f.decoder, nil)
	c.rest.MaxCompressed = 0 // as large as what it unpacks to, unless that is said
	all := c.keys()
	known := keys{
		"type":        func(*node) {},
		"collections": func(*node) {},
		"name":        func(n *node) { s.Name = f.topicWord(n) },
		"tls":         func(n *node) { s.TLS = f.sourceTLS(n) },
		"auth":        func(n *node) { a.auth = f.auth(n) },
		"dump":        func(n *node) { h.Dump = f.dump(n) },
		"replica":     func(n *node) { s.Replica = f.replica(n) },
		"handler":     func(n *node) { f.handler(n, c, s, &a) },
		"interval":    all["interval"], "jitter": all["jitter"], "triggers": all["triggers"],
	}
	for _, key := range ofAHandler {
		known[key] = all[key]
	}
	for _, key := range []string{"preset", "url", "budget"} {
		all[key] = nil
	}
	f.object(f.refuse(own, slices.Collect(maps.Keys(all)), known, ofAnAPI), known)
	f.require(own, "name", "handler", "collections")
	if c.settings.Triggers.Cron != nil && !c.scheduled {
		c.settings.Interval = 0
	}
	h.Pulls = connector.Settings{Source: s.Name, Interval: c.settings.Interval, Jitter: c.settings.Jitter, Triggers: c.settings.Triggers}
	f.loggedIn(&a, s)
	a.name, a.broken = s.Name, f.faults > before
	h.Rest.Auth = a.auth
	if first, twice := places[s.Name]; twice && s.Name != "" {
		f.fail(own.at("name"), "is %q, and so is that of the source in %v", s.Name, first)
		return false
	}
	places[s.Name] = own.at("name").pos
	if theirs := own.get("collections"); theirs != nil && f.isKind(theirs, listNode) {
		if len(theirs.items) == 0 {
			f.fail(theirs, "needs at least one collection")
		}
		f.told(theirs, own, a, s)
		f.checkReplica(own, s)
	}
	return s.Name != ""
}

// Why a key does not fit.
const (
	ofAnAPI   = "has no meaning for a source of type handler: a handler says by itself what changed, at handler.url"
	ofASource = "belongs to the source: a handler is called for all of its collections at once"
	ofHandler = "is of a source of type handler: say `type: handler`, or leave it out"
)

// refuse says of keys why they do not fit, unless they are known, and returns the map
// without them.
func (f *fileDecoder) refuse(n *node, keys []string, known keys, why string) *node {
	if n.kind != mapNode {
		return n
	}
	return n.filter(func(key string) bool {
		if known[key] != nil || !slices.Contains(keys, key) {
			return true
		}
		if at := n.get(key); at != nil {
			f.fail(at, "%s", why)
		}
		return false
	})
}

// handler decodes where the program is.
func (f *fileDecoder) handler(n *node, c *collectionDecoder, s *SourceConfig, a *account) {
	h := s.Handler
	f.object(n, keys{
		"url": func(n *node) {
			if u, ok := f.url(n); ok {
				a.base, s.URL = u, u.String()
			}
		},
		"timeout":        func(n *node) { h.Timeout = f.duration(n, time.Millisecond) },
		"max_body":       func(n *node) { c.rest.MaxBody = f.size(n) },
		"max_compressed": func(n *node) { c.rest.MaxCompressed = f.size(n) },
	})
	if n.kind != mapNode {
		return
	}
	f.require(n, "url")
	if a.base == nil {
		return
	}
	h.Rest = rest.Config{Base: a.base, Timeout: h.Timeout, MaxBody: c.rest.MaxBody, MaxCompressed: c.rest.MaxCompressed, ID: defaultID}.OfHandler()
	if err := h.Rest.Validate(); err != nil {
		f.fail(n, "%v", err)
	}
}

// dump decodes when a handler is asked for everything.
func (f *fileDecoder) dump(n *node) *DumpConfig {
	d := &DumpConfig{MaxRatio: connector.DefaultMaxRatio, MaxCount: connector.DefaultMaxCount}
	zone := time.UTC
	if at := n.get("time_zone"); at != nil {
		zone = f.zone(at)
	}
	f.object(n, keys{
		"on_restart": func(n *node) { d.OnRestart = f.bool(n) },
		"schedule":   func(n *node) { d.Cron = f.crons(n, zone) },
		"time_zone":  func(*node) {},
		"max_ratio":  func(n *node) { d.MaxRatio = f.ratio(n) },
		"max_count":  func(n *node) { d.MaxCount = f.int(n, 0, 1_000_000_000) },
	})
	if n.get("time_zone") != nil && n.get("schedule") == nil {
		f.fail(n.at("time_zone"), "has no meaning without a schedule")
	}
	return d
}

// told decodes the collections of a handler.
func (f *fileDecoder) told(list, own *node, a account, s *SourceConfig) {
	places := map[string]position{}
	above := own.filter(func(key string) bool { return slices.Contains(ofAHandler, key) })
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
		c := newCollectionDecoder(f.decoder, &a)
		c.settings.Collection = name
		all := c.keys()
		known := keys{"name": func(*node) {}}
		for _, key := range ofAHandler {
			known[key] = all[key]
		}
		whole := overlay(above, item)
		before := f.faults
		rest := f.refuse(whole.without(sourceOnly...), []string{"interval", "jitter", "triggers"}, known, ofASource)
		f.object(f.refuse(rest, slices.Collect(maps.Keys(all)), known, ofAnAPI), known)
		c.settings.Interval, c.settings.Jitter, c.settings.Triggers = s.Handler.Pulls.Interval, s.Handler.Pulls.Jitter, s.Handler.Pulls.Triggers
		c.settings.Overlap, c.settings.Lookback = 0, 0
		c.rest = c.rest.OfHandler()
		c.settings.Fingerprint = c.rest.Fingerprint()
		if d := s.Handler.Dump; d != nil {
			c.settings.Sweeps.MaxRatio, c.settings.Sweeps.MaxCount = d.MaxRatio, d.MaxCount
		}
		if f.faults == before && !a.broken {
			c.validate(whole)
		}
		f.connector(whole, c)
		s.Collections = append(s.Collections, CollectionConfig{
			Settings: c.settings, Rest: c.rest, TLS: s.TLS, Handler: s.Handler,
			Topic: f.topic(whole, c), Letters: f.letters(whole, c),
		})
	}
}
