package replica

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"

	"tributary/connector/rest/canon"
)

// A path leads to a value within a record, as paths of the config do: names joined by dots,
// or a JSON Pointer, which may have indexes of arrays.
type path struct {
	text  string
	names []string
}

// maxPath bounds the text of a path.
const maxPath = 1 << 10

func parsePath(text string) (path, error) {
	switch {
	case text == "":
		return path{}, errors.New("is empty: a path has at least one name")
	case len(text) > maxPath:
		return path{}, errors.New("is longer than any path")
	}
	names, err := canon.SplitPath(text)
	return path{text, names}, err
}

func (p path) pointer() bool { return p.text[0] == '/' }

// key is the same for two texts that lead to the same value.
func (p path) key() string {
	var b strings.Builder
	if !p.pointer() && slices.ContainsFunc(p.names, canon.IsIndex) {
		b.WriteByte('.') // a name it is, and no index
	}
	for _, n := range p.names {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(n, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// find returns the text of the value in a record, nil if it has none.
func (p path) find(record []byte) []byte {
	if p.pointer() {
		return canon.Lookup(record, p.names)
	}
	for i := range p.names {
		record = bytes.TrimLeft(record, " \t\r\n")
		if record[0] != '{' {
			return nil
		}
		if record = canon.Lookup(record, p.names[i:i+1]); record == nil {
			return nil
		}
	}
	return record
}

// pathCache has the paths of running queries, which come as texts with each row.
type pathCache struct {
	mu    sync.RWMutex
	paths map[string]path
}

// cached bounds the cache: paths are of the choosing of whoever asks.
const cached = 1024

// get returns the path that a text says. It does not keep text.
func (c *pathCache) get(text string) (path, error) {
	c.mu.RLock()
	p, ok := c.paths[text]
	c.mu.RUnlock()
	if ok {
		return p, nil
	}
	p, err := parsePath(strings.Clone(text))
	if err != nil {
		return p, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.paths) >= cached || c.paths == nil {
		c.paths = map[string]path{}
	}
	c.paths[p.text] = p
	return p, nil
}
