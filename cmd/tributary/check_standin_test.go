package main

import (
	"cmp"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/contract"
	"tributary/connector/rest"
	"tributary/test/standin"
)

// TestCheckBlamesNoPreset asks each stand-in that a preset reads: what works is not blamed.
func TestCheckBlamesNoPreset(t *testing.T) {
	for _, c := range presetCases {
		if _, there := rest.Preset(c.preset); !there && c.source == "" {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			s := standin.New(c.precision, c.lag, 3)
			srv := httptest.NewServer(c.api(s))
			defer srv.Close()
			collection := c.collection
			if c.place != "" {
				collection = fmt.Sprintf("{name: %s, path: %s}", c.collection, c.place)
			}
			text := fmt.Sprintf("%ssources:\n  - {name: api, %s, url: %q, collections: [%s]%s}\n", head, cmp.Or(c.source, "preset: "+c.preset), srv.URL+c.path, collection, c.config)
			whole, err := parseConfig(newConfigText("t.yaml", []byte(text)), "", testEnv, realPresets)
			if err != nil {
				t.Fatal(err)
			}
			cfg := collectionOf(t, whole, "api."+c.collection)
			for range 40 {
				s.Insert(3)
				s.Advance(7654 * time.Millisecond)
			}
			s.Advance(10 * time.Minute)
			client := rest.NewClient("test", rest.Budget{}, nil)
			defer client.CloseIdleConnections()
			src, err := rest.New(cfg.Rest, client, connector.NewMetrics(prometheus.NewRegistry()).Source("api"))
			if err != nil {
				t.Fatal(err)
			}
			check := contract.New(src, contractOptions(cfg, &cfg.Rest))
			if check.Begin(t.Context()) {
				check.End(t.Context())
			}
			for _, f := range check.Findings() {
				t.Logf("%s %s: %s | %s | %s", f.Level, f.Rule, f.Found, f.Means, f.Set)
				if f.Level == contract.Warn || f.Level == contract.Fail {
					t.Errorf("it blames %s: %s", f.Rule, f.Found)
				}
			}
		})
	}
}
