package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// person is a record of some 400 bytes.
func person(i int) []byte {
	return fmt.Appendf(nil, `{"id":%d,"updated_at":"2026-01-%02dT03:04:05.%06dZ","name":"Person %d","email":"p%d@example.com","city":{"name":"City %d"},"score":%d.5,"note":%q}`,
		i, 1+i%28, i, i, i, i%1000, i%100, strings.Repeat("x", 220))
}

// fill applies records in polls of ten thousand, and returns how long that took.
func fill(b *testing.B, r *Replica, n int) time.Duration {
	b.Helper()
	rows(b, r, nil)
	c := r.order[0]
	s := &session{r: r, file: r.file, began: time.Now()}
	var took time.Duration
	for at := 0; at < n; at += pollRecords {
		var polled []*kgo.Record
		for i := at; i < min(n, at+pollRecords); i++ {
			polled = append(polled, &kgo.Record{Topic: c.Topic, Offset: int64(i), Key: fmt.Append(nil, i), Value: person(i)})
		}
		began := time.Now()
		err := s.commit(context.Background(), kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: c.Topic, Partitions: []kgo.FetchPartition{{Records: polled}}}}}}, nil)
		if err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
	}
	r.see(c, time.Now(), []int64{int64(n)})
	return took
}

// BenchmarkApply applies 100,000 records to an empty replica.
func BenchmarkApply(b *testing.B) {
	for name, indexes := range map[string][]string{"plain": nil, "two indexes": {"email", "city.name"}} {
		b.Run(name, func(b *testing.B) {
			const n = 100_000
			var took time.Duration
			for range b.N {
				r, _, err := opened(b, pathOf(b), func(c *Config) { c.Collections[0].Indexes = indexes })
				if err != nil {
					b.Fatal(err)
				}
				took += fill(b, r, n)
				r.Close()
			}
			b.ReportMetric(n*float64(b.N)/took.Seconds(), "rows/s")
		})
	}
}

// BenchmarkList asks a replica of a million records.
func BenchmarkList(b *testing.B) {
	r, _, err := opened(b, pathOf(b), func(c *Config) { c.Collections[0].Indexes = []string{"email", "city.name"} })
	if err != nil {
		b.Fatal(err)
	}
	const n = 1_000_000
	took := fill(b, r, n)
	b.Logf("%d records were applied in %s", n, took.Round(time.Millisecond))
	for _, c := range []struct{ name, query string }{
		{"by key", `{"filter":{"field":"$key","is":"equal","value":"777777"}}`},
		{"a page of 100", `{}`},
		{"an indexed value", `{"filter":{"field":"email","is":"equal","value":"p777777@example.com"}}`},
		{"100 of 1000 by an index", `{"filter":{"field":"city.name","is":"equal","value":"City 7"}}`},
		{"a page sorted by an index", `{"sort":[{"field":"email"}]}`},
		{"a value without index", `{"filter":{"field":"name","is":"equal","value":"Person 777777"}}`},
		{"a page sorted without index", `{"sort":[{"field":"updated_at","descending":true}]}`},
		{"count of a filter without index", `{"filter":{"field":"score","is":"less","value":50},"page":{"limit":1},"count":true}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				if _, err := r.List(context.Background(), "people", json.RawMessage(c.query)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("groups by city", func(b *testing.B) {
		for range b.N {
			if _, err := r.Aggregate(context.Background(), "people", json.RawMessage(`{"operation":"avg","field":"score","groups":[{"field":"city.name"}]}`)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
