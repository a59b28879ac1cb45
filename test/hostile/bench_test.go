package hostile

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// What the API costs must not hide what a connector costs: a page of 100 out of
// 10,000 records, in ties, from a replica.
func BenchmarkPage(b *testing.B) {
	a := New(Config{Collections: []string{"people"}})
	a.Set(Hostility{UnstableTies: true, Stale: 0.5, ReplicaLag: time.Second})
	for range 100 {
		a.Insert("people", 100)
	}
	r := httptest.NewRequest(http.MethodGet, "/v2/people?"+ascending+"&page=37&include_paging_counts=true", nil)
	for b.Loop() {
		a.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkWrite(b *testing.B) {
	a := New(Config{Collections: []string{"people"}})
	a.Insert("people", 10000)
	w := NewWriter(a, 1, 0)
	for b.Loop() {
		w.Step()
	}
}
