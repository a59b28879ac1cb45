//go:build unix

package pocketbase

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"tributary/test/chronicle"
)

// What the chronicle says is what the server holds: else whatever is judged by it means
// nothing.
func TestTheChronicleOfPocketBaseIsItsContents(t *testing.T) {
	t.Parallel()
	s := Start(t, "people")
	c := chronicle.New("people")
	w := c.Writer(s, 1)
	if err := w.Fill(t.Context(), 150); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.RunAll(ctx, 300, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	witness, err := c.Witness(s.URL, Rows)
	if err != nil {
		t.Fatal(err)
	}
	defer witness.Close()
	req, err := http.NewRequest("GET", witness.URL+"/api/collections/people/records?perPage=1000", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct{ Items []struct{ Updated string } }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	truth := c.Truth("people")
	if len(truth) != len(page.Items) || len(truth) < 50 {
		t.Errorf("%d records are shown, %d are in the chronicle", len(page.Items), len(truth))
	}
	for id, v := range truth {
		if v.Served != 1 {
			t.Errorf("version %d of %s was shown %d times", v.Ver, id, v.Served)
		}
	}
	for _, problem := range c.Problems() {
		t.Error(problem)
	}
	stamps := map[string]int{}
	most := 0
	for _, item := range page.Items {
		stamps[item.Updated]++
		most = max(most, stamps[item.Updated])
	}
	fired := c.Fired()
	for _, what := range chronicle.Writes {
		if fired[what] == 0 {
			t.Errorf("no %s: %v", what, fired)
		}
	}
	t.Logf("%d records, up to %d of one stamp; %v", len(truth), most, fired)
}
