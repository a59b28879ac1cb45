package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector/control"
)

// controlTokenEnv holds the token where there is no config to take it from.
const controlTokenEnv = "TRIBUTARY_CONTROL_TOKEN"

// controlFlags say which connector a command asks.
type controlFlags struct {
	config, url string
	tls         *clientTLS
}

// newControlFlags adds them to a command.
func newControlFlags(cmd *cobra.Command) *controlFlags {
	var f controlFlags
	configFlag(cmd, &f.config)
	cmd.Flags().StringVar(&f.url, "url", "", "the `URL` of the connector, instead of listen of the config; its token is in $"+controlTokenEnv+", or in a config that is named too")
	f.tls = newClientTLS(cmd)
	return &f
}

// A controlClient asks a running connector.
type controlClient struct {
	base  string // http://HOST:PORT, or https
	token Secret
	from  string // where the address is from, for who has to mend it
	http  *http.Client
}

// client returns one for the connector of the flags.
func (f *controlFlags) client(cmd *cobra.Command, a *app) (*controlClient, error) {
	c := &controlClient{from: "`listen` in " + f.config}
	var server *ListenTLS
	if f.url != "" {
		u, err := url.Parse(f.url)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return nil, &exitError{exitUsage, errors.New("--url wants an address such as http://127.0.0.1:8080")}
		}
		c.base, c.from = strings.TrimSuffix(u.String(), "/"), "--url"
		token, _ := a.env(controlTokenEnv)
		c.token = Secret(token)
	}
	if f.url == "" || cmd.Flags().Changed("config") {
		listen, cfg, err := loadControl(f.config, a.env)
		if err != nil {
			return nil, err
		}
		c.token = Secret(cmp.Or(cfg.Token.Reveal(), c.token.Reveal()))
		if c.base == "" {
			c.base, server = localURL(cfg.scheme(), listen), cfg.TLS
		}
	}
	tls, err := f.tls.config(server, hostOf(c.base))
	if err != nil {
		return nil, err
	}
	c.http = newDirectClient(&http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, TLSClientConfig: tls})
	return c, nil
}

// newDirectClient returns a client that goes where it is told: a proxy that is meant for the
// API would answer for itself, and a token is not taken elsewhere.
func newDirectClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get asks for something and decodes it.
func (c *controlClient) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return c.do(ctx, http.MethodGet, path, nil, into)
}

// post does something and decodes the answer.
func (c *controlClient) post(ctx context.Context, path string, body, into any) error {
	return c.do(ctx, http.MethodPost, path, body, into)
}

func (c *controlClient) do(ctx context.Context, method, path string, body, into any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, method, path, sent, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return c.refused(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(into); err != nil {
		return fmt.Errorf("%s gave an answer that cannot be read: %w", c.base, err)
	}
	return nil
}

// send sends a request with the token, and says who is not there.
func (c *controlClient) send(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(req)
	switch {
	case err == nil:
		return resp, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, &goneError{fmt.Errorf("no connector runs at %s (%s): start it with `tributary run`, or name another with --url", c.base, c.from)}
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return nil, &goneError{fmt.Errorf("the connector at %s (%s) does not answer", c.base, c.from)}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if text := tlsTrouble(err); text != "" {
		return nil, fmt.Errorf("the connector at %s (%s) cannot be asked: %s", c.base, c.from, text)
	}
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err // without the path, which says nothing here
	}
	return nil, &goneError{fmt.Errorf("the connector at %s (%s) cannot be reached: %w", c.base, c.from, err)}
}

// A goneError is a connector that is not there, and may come.
type goneError struct{ err error }

func (e *goneError) Error() string { return e.err.Error() }

// A refusal is a problem that the connector answered.
type refusal struct{ control.Problem }

func (e *refusal) Error() string {
	text := e.Detail
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

// refused returns what is wrong. Who is no connector says it in another way.
func (c *controlClient) refused(resp *http.Response) error {
	var r refusal
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(body, &r.Problem) == nil {
		return &r
	}
	if strings.Contains(string(body), plainToTLS) {
		return fmt.Errorf("the connector at %s (%s) cannot be asked: it speaks HTTPS and not HTTP: ask it by https://", c.base, c.from)
	}
	return fmt.Errorf("what answers at %s (%s) is no connector that can be operated: %s", c.base, c.from, resp.Status)
}

// collectionPath is the route of a collection.
func collectionPath(n control.Name) string {
	return "/v1/sources/" + url.PathEscape(n.Source) + "/collections/" + url.PathEscape(n.Collection)
}

// all returns every collection of a source, or of all sources, sorted.
func (c *controlClient) all(ctx context.Context, source, sort string) (all control.CollectionPage, err error) {
	query := url.Values{"sort": {sort}, "limit": {"1000"}}
	if source != "" {
		query.Set("source", source)
	}
	for {
		query.Set("offset", fmt.Sprint(len(all.Collections)))
		var page control.CollectionPage
		if err := c.get(ctx, "/v1/collections?"+query.Encode(), &page); err != nil {
			return all, err
		}
		page.Collections = append(all.Collections, page.Collections...)
		done := len(page.Collections) == len(all.Collections) || len(page.Collections) >= page.Total
		if all = page; done {
			return all, nil
		}
	}
}

// A target is a source, or one of its collections.
type target struct {
	source     string
	collection string // "": all of them
}

// targets finds what is meant by SOURCE, SOURCE.COLLECTION, or COLLECTION where only one
// source has one of that name. Names may have dots in them, so it asks.
func (c *controlClient) targets(ctx context.Context, args []string) ([]target, error) {
	var all struct {
		Sources []control.Source `json:"sources"`
	}
	if err := c.get(ctx, "/v1/sources", &all); err != nil {
		return nil, err
	}
	var targets []target
	for _, arg := range args {
		t, err := c.target(ctx, all.Sources, arg)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func (c *controlClient) target(ctx context.Context, sources []control.Source, arg string) (target, error) {
	for _, s := range sources {
		if s.Name == arg {
			return target{source: s.Name}, nil
		}
	}
	var page control.CollectionPage
	if err := c.get(ctx, "/v1/collections?limit=1000&search="+url.QueryEscape(arg), &page); err != nil {
		return target{}, err
	}
	var found []control.Name
	for _, col := range page.Collections {
		if col.Name.String() == arg {
			return target{col.Source, col.Collection}, nil
		}
		if col.Collection == arg {
			found = append(found, col.Name)
		}
	}
	switch len(found) {
	case 1:
		return target{found[0].Source, found[0].Collection}, nil
	case 0:
		return target{}, &exitError{exitUsage, fmt.Errorf("the connector has neither a source nor a collection %q; `tributary status` shows those that there are", arg)}
	}
	return target{}, &exitError{exitUsage, fmt.Errorf("%d sources have a collection %q: say which, as in %s", len(found), arg, found[0])}
}
