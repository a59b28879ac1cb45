package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on a config, so that a wrong file is refused and not worked on for hours.
const (
	maxConfigBytes = 4 << 20
	maxConfigDepth = 32
)

// A node is one value of a config: YAML without its anchors, merge keys and styles,
// each value with the place where it was written. Trees of a preset and of the
// user's file are laid over each other before anything is decoded.
type node struct {
	pos  position
	path string // where it was written, "sources[0].interval"; "" for the whole file
	kind nodeKind

	text   string  // of a scalar, before its references are expanded
	fields []field // of a map, in the order of the file
	items  []*node // of a list

	expanded *expansion // of a scalar: what its references came to, once asked for
}

type expansion struct {
	text string
	err  error
}

// A field is one key of a map. It remembers the map in which it was written, which
// is not the one in which it stands after trees were laid over each other.
type field struct {
	key   string
	pos   position
	in    string
	value *node
}

type nodeKind string

const (
	nullNode   nodeKind = "nothing"
	textNode   nodeKind = "text"
	numberNode nodeKind = "a number"
	boolNode   nodeKind = "a truth value"
	listNode   nodeKind = "a list"
	mapNode    nodeKind = "a map"
)

func (n *node) isScalar() bool {
	return n.kind == textNode || n.kind == numberNode || n.kind == boolNode
}

// get returns the value of a key, nil when it is absent or null.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.key == key && f.value.kind != nullNode {
			return f.value
		}
	}
	return nil
}

// at returns the value of a key, or the map itself: a place to point at. It points
// into the file of the map, not into the preset below it.
func (n *node) at(key string) *node {
	if v := n.get(key); v != nil && v.pos.text == n.pos.text {
		return v
	}
	return n
}

// parseTree reads one YAML document. Problems go to d; nil means that there is no
// tree to go on with.
func parseTree(d *decoder, text *configText) *node {
	start := position{text: text, line: 1, column: 1}
	switch {
	case len(text.data) > maxConfigBytes:
		d.failAt(start, "a config may hold %d MiB, this file is larger", maxConfigBytes>>20)
		return nil
	case !utf8.ValidString(text.data) || strings.ContainsRune(text.data, 0):
		d.failAt(start, "this is not a text file in UTF-8")
		return nil
	}
	tokens := lexer.Tokenize(text.data)
	if t := tooDeep(tokens); t != nil {
		d.failAt(text.at(t), "lists and maps are nested more than %d deep", maxConfigDepth)
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		d.syntaxError(text, err)
		return nil
	}
	var docs []*ast.DocumentNode
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.DirectiveType {
			docs = append(docs, doc)
		}
	}
	switch len(docs) {
	case 0:
		d.failAt(start, "the file is empty")
		return nil
	case 1:
		b := treeBuilder{d: d, text: text, anchors: map[string]*node{}}
		n := b.node(docs[0].Body, "", 0)
		if n.kind != nullNode {
			return n
		}
		d.failAt(start, "the file is empty") // what could not be built is reported already
		return nil
	}
	d.failAt(text.at(docs[1].Start), "a config is one YAML document; a second one begins here")
	return nil
}

// parseTokens turns a panic of the parser into an error: whatever a file holds, it
// is answered with a message.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML parser gave up on this file")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// tooDeep returns a token nested deeper than any config is. The parser calls itself
// for each level, and paths grow with it, so this is asked before.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, onLine, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position != nil && t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			onLine++ // "- - - a" nests within one line
		}
		column := 0
		if t.Position != nil {
			column = t.Position.Column
		}
		if flow > maxConfigDepth || flow == 0 && (onLine > maxConfigDepth || isBlockStart(t) && column > 1000) {
			return t
		}
	}
	return nil
}

// isBlockStart says whether a token may open a level by its column alone. A line of
// blanks before it costs bytes, so levels by indentation are few unless it is far out.
func isBlockStart(t *token.Token) bool {
	return t.Type == token.MappingValueType || t.Type == token.SequenceEntryType
}

// syntaxError reports what the parser says at the place where it says it.
func (d *decoder) syntaxError(text *configText, err error) {
	var located interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &located) || located.GetToken() == nil {
		d.failAt(position{text: text, line: 1, column: 1}, "%v", err)
		return
	}
	at := text.at(located.GetToken())
	message := located.GetMessage()
	switch line := text.line(at.line); {
	case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		message = "YAML is indented with spaces; this line has a tab"
	case strings.Contains(message, "must be specified") && hasReference(line):
		message += `; a reference within { } or [ ] needs quotes: "${env:NAME}"`
	case strings.Contains(message, "must be specified") && strings.ContainsAny(line, "[]"):
		message += "; a text with brackets within { } or [ ] needs quotes"
	case message == "value is not allowed in this context", message == "unexpected key name", message == "non-map value is specified":
		message += "; look at how far this line and the one above are indented, and whether that one is to be a map"
	}
	d.failAt(at, "%s", fmt.Sprintf("not YAML: %s", message))
}
