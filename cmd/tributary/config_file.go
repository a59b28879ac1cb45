package main

import (
	"log/slog"
	"net"
	"os"
	"strconv"
)

// A fileDecoder decodes the whole of a config file.
type fileDecoder struct {
	*decoder
	presets presets
	parsed  map[string]*node // presets by name, nil for one that cannot be used
	cfg     Config
	topics  topicNames
	// connectors are where the collections are, by the names of their connectors.
	connectors map[string]position
	// folder is the config's, replicas where their files are named.
	folder   string
	replicas map[string]position
	// badSeal says that what is wrong with the keys of `seal` was reported.
	badSeal bool
}

// file decodes the top level. The defaults come first, and what depends on what the
// file says comes last.
func (f *fileDecoder) file(root *node) {
	c := &f.cfg
	c.Listen = defaultListen
	c.Log = LogConfig{Format: "text", Level: slog.LevelInfo}
	c.Offsets = OffsetsConfig{Lanes: defaultLanes, Replication: -1}
	c.Topics = TopicsConfig{Name: defaultTopicName, Partitions: 1, Replication: -1, Create: true}
	var sources, connectListen *node
	f.object(root, keys{
		"group":    func(n *node) { c.Group = f.topicWord(n) },
		"instance": func(n *node) { c.Instance = f.name(n) },
		"kafka":    func(n *node) { c.Kafka = f.kafka(n) },
		"offsets":  func(n *node) { f.offsets(n, &c.Offsets) },
		"topics":   func(n *node) { f.topicsConfig(n, &c.Topics) },
		"dlq":      func(n *node) { c.Letters = f.dlq(n) },
		"seal": func(n *node) {
			before := len(f.problems)
			c.Seal = f.seal(n)
			f.badSeal = len(f.problems) > before
		},
		"log":            func(n *node) { f.log(n, &c.Log) },
		"listen":         func(n *node) { c.Listen = f.listen(n) },
		"control":        func(n *node) { f.control(n, &c.Control) },
		"connect_listen": func(n *node) { connectListen = n },
		"sources":        func(n *node) { sources = n },
	})
	if root.kind != mapNode {
		return
	}
	f.require(root, "group", "kafka", "sources")
	if c.Offsets.Topic == "" && c.Group != "" {
		c.Offsets.Topic = c.Group + ".offsets"
		if err := checkTopic(c.Offsets.Topic); err != nil {
			f.fail(root.at("group"), "makes the offsets topic %s, which %v", c.Offsets.Topic, err)
		}
	}
	f.instance(root)
	f.checkListenTLS(root.get("control").get("tls"))
	if connectListen != nil {
		f.connectListen(connectListen)
	}
	if sources != nil {
		at := root.at("group").pos
		if topic := root.get("offsets").get("topic"); topic != nil {
			at = topic.pos
		}
		f.topics.take(c.Offsets.Topic, "the offsets topic", at)
		f.sources(sources)
	}
}

// instance defaults to the host's name.
func (f *fileDecoder) instance(root *node) {
	if root.get("instance") != nil {
		return
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		f.fail(root, `needs "instance": this host has no name to take instead`)
	}
	f.cfg.Instance = host
}

func (f *fileDecoder) offsets(n *node, o *OffsetsConfig) {
	f.object(n, keys{
		"topic": func(n *node) {
			o.Topic = f.name(n)
			if err := checkTopic(o.Topic); o.Topic != "" && err != nil {
				f.fail(n, "%v: %s", err, shown(n))
			}
		},
		"lanes":       func(n *node) { o.Lanes = int32(f.int(n, 1, 1000)) },
		"replication": func(n *node) { o.Replication = f.replication(n) },
	})
}

func (f *fileDecoder) topicsConfig(n *node, t *TopicsConfig) {
	f.object(n, keys{
		"name": func(n *node) {
			t.Name = f.name(n)
			if err := checkTemplate(t.Name); t.Name != "" && err != nil {
				f.fail(n, "%v: %s", err, shown(n))
				t.Name = ""
			}
		},
		"partitions":  func(n *node) { t.Partitions = int32(f.int(n, 1, 100_000)) },
		"replication": func(n *node) { t.Replication = f.replication(n) },
		"create":      func(n *node) { t.Create = f.bool(n) },
		"config": func(n *node) {
			t.Config = map[string]string{}
			f.scalars(n, func(key, value string, _ *node) { t.Config[key] = value })
		},
	})
}

// replication decodes a number of replicas; -1 leaves it to the broker.
func (d *decoder) replication(n *node) int16 {
	r := d.int(n, -1, 1000)
	if r == 0 && n.expanded != nil && n.expanded.err == nil && n.expanded.text == "0" {
		d.fail(n, "wants a number of replicas, or -1 for the broker's default; found %s", shown(n))
	}
	return int16(r)
}

func (f *fileDecoder) log(n *node, l *LogConfig) {
	f.object(n, keys{
		"format": func(n *node) { l.Format = f.oneOf(n, "text", "json") },
		"level": func(n *node) {
			if word := f.oneOf(n, "debug", "info", "warn", "error"); word != "" {
				l.Level.UnmarshalText([]byte(word)) // one of slog's own words
			}
		},
	})
}

func (f *fileDecoder) listen(n *node) string {
	s := f.name(n)
	if err := checkAddress(s); s != "" && err != nil {
		f.fail(n, "wants HOST:PORT, as in 127.0.0.1:8080 or :8080; found %s", shown(n))
		return ""
	}
	return s
}

// checkAddress checks HOST:PORT without looking the host up.
func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return err
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err
}
