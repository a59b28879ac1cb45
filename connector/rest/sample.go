package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"tributary/connector"
)

// Sample asks for an address as it is, once, and returns the answer's headers and body:
// of an API that is not known yet. The credential goes to the address's origin alone,
// and neither it nor a parameter of the address is in an error.
func (c *Client) Sample(ctx context.Context, at *url.URL, auth *Auth, m *connector.SourceMetrics) (http.Header, []byte, error) {
	if auth != nil {
		if err := auth.Validate(); err != nil {
			return nil, nil, err
		}
	}
	cfg := Config{Base: &url.URL{Scheme: at.Scheme, Host: at.Host}, Auth: auth, Params: at.Query(), Timeout: time.Minute}
	scrub := newScrubber(&cfg)
	s := &Source{
		cfg: cfg, m: m, name: scrub.text(at.Host + " " + at.Path), scrub: scrub, http: c.of(cfg.Base, auth, scrub),
		body: bodyReader{maxBody: 16 << 20, maxReceived: 8 << 20, words: ofAnAPI}, words: ofAnAPI,
	}
	limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: the request cannot be written", s.name)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, nil, s.unanswered(ctx, limited, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		date, _ := http.ParseTime(resp.Header.Get("Date"))
		return nil, nil, s.failed(ctx, resp, date)
	}
	body, err := s.body.read(resp)
	if err != nil {
		return nil, nil, s.refuse(err)
	}
	for _, values := range resp.Header {
		for i, v := range values {
			values[i] = scrub.text(v) // some are shown
		}
	}
	return resp.Header, body, nil
}
