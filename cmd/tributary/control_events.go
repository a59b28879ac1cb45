package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// silence is how long a stream says nothing before its connector is taken for gone: it
// sends a comment every fifteen seconds.
const silence = 45 * time.Second

// place returns the id from which on nothing is missed.
func (c *controlClient) place(ctx context.Context) (last string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = c.listen(ctx, nil, &last, func(string, []byte) error { return io.EOF })
	if last != "" {
		return last, nil
	}
	return "", err
}

// listen hands over the events behind last, which it moves on, until they end.
func (c *controlClient) listen(ctx context.Context, query url.Values, last *string, each func(name string, data []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := time.AfterFunc(silence, cancel)
	defer alive.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if *last != "" {
		header.Set("Last-Event-ID", *last)
	}
	resp, err := c.send(ctx, http.MethodGet, "/v1/events?"+query.Encode(), nil, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	var name, id string
	var data []byte
	for lines.Scan() {
		alive.Reset(silence)
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = bytes.Clone([]byte(value))
		case "":
			if name == "" {
				continue // a comment
			}
			*last = id
			if err := each(name, data); err != nil {
				return err
			}
			name, data = "", nil
		}
	}
	if lines.Err() != nil {
		return &goneError{fmt.Errorf("the connector at %s has gone: %w", c.base, lines.Err())}
	}
	return &goneError{fmt.Errorf("the connector at %s has gone", c.base)}
}

// eventQuery asks for what is shown.
func (v *statusView) eventQuery() url.Values {
	query := url.Values{}
	if !v.json {
		query.Set("type", "state,pull,lane")
	}
	if v.target.source != "" {
		query.Set("source", v.target.source)
	}
	if v.target.collection != "" {
		query.Set("collection", v.target.collection)
	}
	return query
}
