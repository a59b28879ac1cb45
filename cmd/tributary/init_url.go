package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/connector/rest/draft"
)

// draftConfig asks for a list of records and guesses from the answer how to read it. Of
// the credential only the name of its variable gets into what it returns.
func draftConfig(ctx context.Context, a *app, address, auth string) ([]byte, error) {
	at, err := url.Parse(address)
	switch {
	case err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Hostname() == "":
		return nil, usage("--url wants the address of a list of records, such as https://api.example.com/v2/people")
	case at.User != nil:
		return nil, usage("--url holds a name or password: give it as --auth basic:USER_VARIABLE:PASSWORD_VARIABLE")
	}
	for name := range at.Query() {
		if rest.IsSecretName(name) {
			return nil, usage(fmt.Sprintf("--url holds what sounds like a credential, %q: take it out and give it as --auth query:%s:VARIABLE", name, name))
		}
	}
	c, err := parseInitAuth(auth, a.env)
	if err != nil {
		return nil, err
	}
	at.Fragment = ""
	if c.auth != nil && c.auth.QueryName != "" {
		q := at.Query()
		q.Del(c.auth.QueryName) // it is put on by auth
		at.RawQuery = q.Encode()
	}
	client := rest.NewClient(a.version, rest.Budget{}, nil)
	defer client.CloseIdleConnections()
	header, body, err := client.Sample(ctx, at, c.auth, connector.NewMetrics(prometheus.NewRegistry()).Source("init"))
	if err != nil {
		if again := new(connector.RetryError); errors.As(err, &again) && again.Reason == connector.RetryUnauthorized && auth == "" {
			return nil, fmt.Errorf("%w; name the variable that holds it: --auth bearer:VARIABLE", err)
		}
		return nil, err
	}
	d, err := draft.Of(draft.Sample{URL: at, Header: header, Body: body})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.Host, err)
	}
	return d.YAML(draft.Options{
		Auth: c.yaml, Preset: presetOf(at.Host),
		Rates: rest.RateHeaders(header), PerMinute: rest.PerMinute(header),
	}), nil
}

func usage(text string) error { return &exitError{code: exitUsage, err: errors.New(text)} }

// presetOf returns the preset whose API has that host, "" for none.
func presetOf(host string) string {
	for _, name := range rest.PresetNames() {
		text, _ := rest.Preset(name)
		root := parseTree(newDecoder(expander{}), newConfigText("preset "+name, text))
		if u, err := url.Parse(root.get("url").textOr("")); err == nil && u.Host == host && host != "" {
			return name
		}
	}
	return ""
}

// textOr returns the text of a scalar, or otherwise.
func (n *node) textOr(otherwise string) string {
	if n == nil || !n.isScalar() {
		return otherwise
	}
	return n.text
}

// An initAuth is a credential for the sample and the reference to it for the config.
type initAuth struct {
	auth *rest.Auth
	yaml string
}

// parseInitAuth reads KIND:…:VARIABLE. What is not the name of a variable may be the
// credential itself, so it is never repeated.
func parseInitAuth(s string, env func(string) (string, bool)) (initAuth, error) {
	const want = "--auth wants bearer:VARIABLE, header:NAME:VARIABLE, basic:USER_VARIABLE:PASSWORD_VARIABLE or query:NAME:VARIABLE; it takes the name of a variable and not the credential, which must not get into a file or a history"
	if s == "" {
		return initAuth{}, nil
	}
	parts := strings.Split(s, ":")
	variable := parts[len(parts)-1]
	reveal := func(name string) (string, error) {
		if !isVariableName(name) {
			return "", usage(want)
		}
		value, ok := env(name)
		if !ok || value == "" {
			return "", &exitError{exitUsage, fmt.Errorf("--auth names a variable that is not set or empty: is it exported? If it was the credential itself: %s", want)}
		}
		return value, nil
	}
	value, err := reveal(variable)
	if err != nil {
		return initAuth{}, err
	}
	ref := func(name string) string { return `"${env:` + name + `}"` }
	switch kind := parts[0]; {
	case kind == "bearer" && len(parts) == 2:
		return initAuth{&rest.Auth{Bearer: value}, "{bearer: " + ref(variable) + "}"}, nil
	case kind == "header" && len(parts) == 3 && isHeaderName(parts[1]):
		return initAuth{&rest.Auth{HeaderName: parts[1], Header: value}, "{header: {name: " + parts[1] + ", value: " + ref(variable) + "}}"}, nil
	case kind == "basic" && len(parts) == 3:
		user, err := reveal(parts[1])
		if err != nil {
			return initAuth{}, err
		}
		return initAuth{&rest.Auth{Username: user, Password: value}, "{basic: {username: " + ref(parts[1]) + ", password: " + ref(variable) + "}}"}, nil
	case kind == "query" && len(parts) == 3 && isHeaderName(parts[1]):
		return initAuth{&rest.Auth{QueryName: parts[1], Query: value}, "{query: {name: " + parts[1] + ", value: " + ref(variable) + "}}"}, nil
	}
	return initAuth{}, usage(want)
}

// isHeaderName is for what can stand in YAML without quotes, too.
func isHeaderName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" && s[0] != '-'
}
