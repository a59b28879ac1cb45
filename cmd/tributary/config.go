package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
)

// Config is a deployment as its file describes it, with presets laid under it,
// references expanded, defaults filled in and everything checked that can be checked
// without a network.
type Config struct {
	// Group names the deployment, Instance this process.
	Group, Instance string
	Kafka           KafkaConfig
	Offsets         OffsetsConfig
	Topics          TopicsConfig
	// Seal holds the keys by which tokens are sealed; nil without any.
	Seal *offsets.Ring
	Log  LogConfig
	// Listen is the address of metrics, health, the control API and its page.
	Listen  string
	Control ControlConfig
	// ConnectListen is the address of Kafka Connect's REST API; "": there is none.
	ConnectListen string
	// Letters is the topic of the dead letter queue of whoever names none of its own; ""
	// is that of the group.
	Letters string
	Sources []SourceConfig
}

// OffsetsConfig describes the offsets topic.
type OffsetsConfig struct {
	Topic       string
	Lanes       int32
	Replication int16 // -1: the broker's default
}

// TopicsConfig describes the data topics.
type TopicsConfig struct {
	// Name is the template that CollectionConfig.Topic was made from.
	Name        string
	Partitions  int32
	Replication int16 // -1: the broker's default
	Create      bool
	Config      map[string]string
}

// LogConfig says how to log.
type LogConfig struct {
	Format string // "text" or "json"
	Level  slog.Level
}

// SourceConfig is one account of one API.
type SourceConfig struct {
	Name string
	// Preset is the preset's name, "" without one.
	Preset string
	URL    string
	TLS    TLSConfig
	Budget rest.Budget
	// OAuth says how the source's token is got; nil for other credentials.
	OAuth *oauth.Config
	// Replica is where its collections are kept to be read from; nil without one.
	Replica *ReplicaConfig
	// Handler says how the program is called that tells what changed; nil for an API.
	Handler     *HandlerConfig
	Collections []CollectionConfig
}

// CollectionConfig is what one poller is made from. Its Rest holds credentials in
// plain text, so it formats as its name alone, within a Config too.
type CollectionConfig struct {
	Settings connector.Settings
	Rest     rest.Config
	Feed     *rest.Config // of the list of deletions, nil without one
	TLS      TLSConfig
	// Handler is the source's that tells of it; nil where it is read.
	Handler *HandlerConfig
	// Topic is the data topic, Letters the dead letter queue, "" if there is none.
	Topic, Letters string
}

// String returns SOURCE.COLLECTION.
func (c CollectionConfig) String() string {
	return c.Settings.Source + "." + c.Settings.Collection
}

// isTold returns an error for what a command cannot do with a collection that a handler
// tells of, since there is nothing to ask.
func (c CollectionConfig) isTold(what string) error {
	if c.Handler == nil {
		return nil
	}
	return &exitError{exitUsage, fmt.Errorf("%s is told of by a handler, and cannot be %s: there is no API to ask", c, what)}
}

// dumped says whether a handler is asked for the whole collection now and then.
func (c CollectionConfig) dumped() bool { return c.Handler != nil && c.Handler.Dump != nil }

// Format writes the name whatever the verb.
func (c CollectionConfig) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue returns the name.
func (c CollectionConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns the name.
func (c CollectionConfig) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Defaults of what belongs to no collection; those of a collection are in
// connector, and in rest.go beside what decodes them.
const (
	defaultConfigFile = "tributary.yaml"
	defaultListen     = "127.0.0.1:8080"
	defaultLanes      = 4
	defaultTopicName  = "{source}.{collection}"
)

// LoadConfig reads and checks the config at path. The error joins one *ConfigError
// for each problem found. Nothing is asked over a network. Files that the config
// names are taken relative to its own folder.
func LoadConfig(path string, env func(string) (string, bool)) (*Config, error) {
	return loadConfig(path, env, presets{lookup: rest.Preset, names: rest.PresetNames})
}

func loadConfig(path string, env func(string) (string, bool), p presets) (*Config, error) {
	text, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	return parseConfig(text, filepath.Dir(path), env, p)
}

func readConfig(path string) (*configText, error) {
	data, err := readFile(path)
	if err != nil {
		message := err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			message += "; `tributary init` writes one, -c names another"
		}
		return nil, &ConfigError{File: path, Message: message}
	}
	return newConfigText(path, data), nil
}

// parseConfig decodes a config whose files are in folder.
func parseConfig(text *configText, folder string, env func(string) (string, bool), p presets) (*Config, error) {
	d := newDecoder(expanderIn(folder, env))
	root := parseTree(d, text)
	if root == nil {
		return nil, d.err()
	}
	f := fileDecoder{decoder: d, presets: p, parsed: map[string]*node{}, topics: topicNames{}, folder: folder,
		connectors: map[string]position{}, replicas: map[string]position{}}
	f.file(root)
	if len(d.problems) > 0 {
		return nil, d.err()
	}
	f.cfg.hide(slices.Sorted(maps.Keys(d.references)))
	return &f.cfg, nil
}

// expanderIn returns what puts variables and files of a folder in.
func expanderIn(folder string, env func(string) (string, bool)) expander {
	return expander{env: env, readFile: func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		data, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", name, err)
		}
		return data, nil
	}}
}

// maxFileBytes bounds what is read from a file that a config names.
const maxFileBytes = maxConfigBytes + 1 // one more, so that a larger config is seen to be one

// readFile reads a file, or an error that does not repeat its name.
func readFile(path string) ([]byte, error) {
	data, err := readAll(path)
	var at *fs.PathError
	if errors.As(err, &at) {
		return nil, at.Err
	}
	return data, err
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes))
}
