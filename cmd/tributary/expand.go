package main

import (
	"fmt"
	"regexp"
	"strings"
)

// An expander replaces the references in one scalar of the config. It works on
// scalars that are parsed already, so what a variable or a file holds can never
// change the structure around it.
type expander struct {
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)
	escape   func(string) string // what a reference stands for is written so; nil: as it is
	secret   func(string)        // is told what a reference stands for that sounds secret; nil: nobody is
}

// secretReference finds references to credentials: by the name of the variable, and every
// file, which is what secrets are mounted as.
var secretReference = regexp.MustCompile(`(?i)^(?:file:|env:\w*(?:pass|pwd|secret|token|credential|auth|key)\w*)`)

// hasReference says whether expanding text could change it.
func hasReference(text string) bool { return strings.Contains(text, "${") }

// expand replaces ${env:NAME}, ${env:NAME:-default}, ${env:NAME:?message} and
// ${file:PATH}; $${ stands for ${ itself. As in a shell, an empty variable counts as
// not set where a default or a message is given. The newlines at the end of a file
// are cut: editors and secret stores put them there. Errors name the reference and
// never a value.
func (x expander) expand(text string) (string, error) {
	var out strings.Builder
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			out.WriteString(text)
			return out.String(), nil
		}
		if at > 0 && text[at-1] == '$' { // $${
			out.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		out.WriteString(text[:at])
		reference, rest, closed := strings.Cut(text[at+2:], "}")
		if !closed {
			return "", fmt.Errorf("a reference is opened with ${ and not closed; write $${ for the characters themselves")
		}
		value, err := x.resolve(reference)
		if err != nil {
			return "", err
		}
		if x.secret != nil && secretReference.MatchString(reference) {
			x.secret(value)
		}
		if x.escape != nil {
			value = x.escape(value)
		}
		out.WriteString(value)
		text = rest
	}
}

// resolve returns what one reference, without its braces, stands for.
func (x expander) resolve(reference string) (string, error) {
	kind, rest, _ := strings.Cut(reference, ":")
	switch kind {
	case "env":
		return x.variable(rest)
	case "file":
		return x.file(rest)
	}
	return "", fmt.Errorf("unknown reference ${%s}: there are ${env:NAME}, ${env:NAME:-default}, ${env:NAME:?message} and ${file:PATH}; write $${ for the characters themselves", kind)
}

func (x expander) variable(reference string) (string, error) {
	name, rest, qualified := strings.Cut(reference, ":")
	if !isVariableName(name) {
		return "", fmt.Errorf("a reference ${env:…} does not name a variable")
	}
	value, set := x.env(name)
	if !qualified {
		if !set {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return value, nil
	}
	fallback, isDefault := strings.CutPrefix(rest, "-")
	message, isMessage := strings.CutPrefix(rest, "?")
	switch {
	case !isDefault && !isMessage:
		return "", fmt.Errorf("in the reference to %s, only :-default or :?message may follow the name", name)
	case set && value != "":
		return value, nil
	case isDefault:
		return fallback, nil
	case message == "":
		return "", fmt.Errorf("environment variable %s is not set or empty", name)
	}
	return "", fmt.Errorf("environment variable %s is not set or empty: %s", name, message)
}

func (x expander) file(path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("a reference ${file:} does not name a file")
	}
	data, err := x.readFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

func isVariableName(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
		if !letter && (i == 0 || r < '0' || '9' < r) {
			return false
		}
	}
	return name != ""
}
