package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// BenchmarkCollections looks at ten thousand collections at once, as the status page's
// server does for each of its answers.
func BenchmarkCollections(b *testing.B) {
	var names strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&names, "      - c%05d\n", i)
	}
	cfg, err := parseTest(head + "sources:\n  - name: api\n    url: https://api.test/v2\n    cursor: {field: updated_at, from: since, format: rfc3339}\n    page: {param: p, size_param: n, size: 50}\n    records: data\n    collections:\n" + names.String())
	if err != nil {
		b.Fatal(err)
	}
	e := newEngine(cfg, nil, slog.New(slog.DiscardHandler), connector.NewMetrics(prometheus.NewRegistry()), "test")
	p := &plane{e: e}
	for b.Loop() {
		if len(p.Collections()) != 10_000 {
			b.Fatal("some are missing")
		}
	}
}
