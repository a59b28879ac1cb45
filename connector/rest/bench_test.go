package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// BenchmarkDecode decodes a page of 100 records of 775 bytes whole: checked, split,
// hashed.
func BenchmarkDecode(b *testing.B) {
	var records []string
	for i := range 100 {
		r := fmt.Sprintf(`{"id":%d,"updated_at":"2024-05-01T12:%02d:00.%06d-04:00","name":"Person %d","active":true,"score":1.10,"owner":null,"count":%d,"kind":"lead","text":"%%s"}`, 1000000+i, i%60, i, i, i*7)
		records = append(records, fmt.Sprintf(r, strings.Repeat("x", 775-len(r)+2)))
	}
	body := []byte(`{"data":[` + strings.Join(records, ",") + `],"metadata":{"paging":{"next_page":2}}}`)
	c := plain("https://api.example.com")
	c.Exclude = []string{"updated_at"}
	d := newPageDecoder(&c, newStamps(c.Format))
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if p, err := d.decode(body); err != nil || len(p.Records) != 100 || p.Records[0].Bad != "" {
			b.Fatal(p, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
}

// BenchmarkBudget is what a request pays for the budget's sake.
func BenchmarkBudget(b *testing.B) {
	stated := http.Header{"X-Ratelimit-Remaining-Minute": {"1000000000"}, "X-Ratelimit-Endpoint-Cost": {"1"}}
	for name, budget := range map[string]Budget{
		"none": {},
		"paced": {PerMinute: 1_000_000_000, Share: 1, Window: WindowMinute, Remaining: "x-ratelimit-remaining-minute",
			Cost: Cost{Header: "x-ratelimit-endpoint-cost"}},
	} {
		b.Run(name, func(b *testing.B) {
			l := newLimiter(budget)
			l.meter(connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
			ctx, date := context.Background(), time.Now()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					t, err := l.wait(ctx, connector.Query{Page: 1, Priority: connector.Dumping}, kindList)
					if err != nil {
						b.Error(err)
						return
					}
					t.done(stated, date, nil)
				}
			})
		})
	}
}
