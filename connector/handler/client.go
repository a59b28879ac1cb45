package handler

import (
	"context"
	"encoding/json"
	"fmt"

	"tributary/connector"
	"tributary/connector/rest"
)

// Client calls a handler over HTTP: a POST to the address, with /delta or /dump behind it.
type Client struct{ delta, dump *rest.Poster }

var _ Handler = (*Client)(nil)

// NewClient returns a Client that calls the handler at cfg's Base, through client. Of cfg it
// takes Base, Path, Auth, Timeout and the bounds of bodies.
func NewClient(cfg rest.Config, client *rest.Client, m *connector.SourceMetrics) (*Client, error) {
	poster := func(path string) (*rest.Poster, error) {
		c := cfg
		c.Path = path
		return rest.NewPoster(c, client, m)
	}
	delta, err := poster("delta")
	if err != nil {
		return nil, err
	}
	dump, err := poster("dump")
	return &Client{delta, dump}, err
}

// Delta asks what changed.
func (c *Client) Delta(ctx context.Context, r Request) (Response, error) {
	return call(ctx, c.delta, r)
}

// Dump asks for everything.
func (c *Client) Dump(ctx context.Context, r Request) (Response, error) {
	return call(ctx, c.dump, r)
}

func call(ctx context.Context, p *rest.Poster, r Request) (Response, error) {
	document, err := r.MarshalJSON()
	if err != nil {
		return Response{}, fmt.Errorf("the request cannot be written: %w", err)
	}
	body, err := p.Post(ctx, document)
	if err != nil {
		return Response{}, err
	}
	resp, err := ParseResponse(body)
	if err != nil {
		return Response{}, p.Refuse(err)
	}
	resp.size = len(body)
	return resp, nil
}

// null is the state of a handler that has none yet.
var null = json.RawMessage("null")
