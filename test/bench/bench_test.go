//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"tributary/test/kafkatest"
)

// TestMain is the bare loop when this test binary is run as one, as the program itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sideBare {
		os.Exit(mainCode(os.Args[1:]))
	}
	os.Exit(m.Run())
}

type answer struct {
	Data     []json.RawMessage
	Metadata struct {
		Filtering map[string]map[string]string
		Paging    struct {
			PerPage    int  `json:"per_page"`
			NextPage   *int `json:"next_page"`
			TotalCount *int `json:"total_count"`
		}
		Sorting struct {
			By        string `json:"sort_by"`
			Direction string `json:"sort_direction"`
		}
	}
}

func get(t *testing.T, a *api, query string) (answer, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/v2/people.json?sort_by=updated_at&sort_direction=ASC&"+query, nil))
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	if n := w.Header().Get("Content-Length"); n != fmt.Sprint(w.Body.Len()) {
		t.Fatalf("%s: Content-Length %s of %d bytes", query, n, w.Body.Len())
	}
	body, _ := io.ReadAll(w.Body)
	var got answer
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got, body
}

func stampOf(t *testing.T, record []byte) string {
	t.Helper()
	var r struct {
		At string `json:"updated_at"`
	}
	if err := json.Unmarshal(record, &r); err != nil {
		t.Fatal(err)
	}
	return r.At
}

func TestAPIAnswersLikeSalesloft(t *testing.T) {
	a := newBackfillAPI(250)
	all, _ := get(t, a, "per_page=1000&include_paging_counts=true")
	if len(all.Data) != 100 || all.Metadata.Paging.PerPage != 100 || all.Metadata.Paging.NextPage == nil || *all.Metadata.Paging.TotalCount != 250 {
		t.Fatalf("first page: %d records, %+v", len(all.Data), all.Metadata.Paging)
	}
	if s := all.Metadata.Sorting; s.By != "updated_at" || s.Direction != "ASC NULLS FIRST" {
		t.Errorf("sorting %+v", s)
	}
	for i, r := range all.Data {
		if len(r) != recordSize {
			t.Fatalf("record %d has %d bytes", i, len(r))
		}
	}
	tenth := stampOf(t, all.Data[10])
	for query, want := range map[string]int{
		"updated_at[gte]=" + tenth:                                     100,
		"updated_at[gte]=" + tenth + "&per_page=100&page=3":            40,
		"updated_at[gt]=" + tenth + "&per_page=100&page=3":             39,
		"updated_at[lt]=" + tenth:                                      10,
		"updated_at[gte]=" + tenth + "&updated_at[lt]=" + tenth:        0,
		"updated_at[gte]=2100-01-01T00:00:00Z":                         0,
		"per_page=100&page=9":                                          0,
		fmt.Sprintf("ids[]=%d&ids[]=%d&ids[]=1", firstID, firstID+249): 2,
	} {
		if !strings.Contains(query, "page") {
			query += "&per_page=100"
		}
		got, _ := get(t, a, query)
		if len(got.Data) != want {
			t.Errorf("%s: %d records, want %d", query, len(got.Data), want)
		}
		if want < 100 && got.Metadata.Paging.NextPage != nil {
			t.Errorf("%s: a next page after the last", query)
		}
	}
	got, _ := get(t, a, "updated_at[gte]=2025-01-01T01:00:00%2B01:00")
	if e := got.Metadata.Filtering["updated_at"]["gte"]; e != "2025-01-01T00:00:00.000000Z" {
		t.Errorf("echo %q", e)
	}
}

func TestSplitFindsEveryRecord(t *testing.T) {
	a := newBackfillAPI(100)
	want, body := get(t, a, "per_page=100")
	p := page{body: body}
	// Twice: pages are used again.
	for range 2 {
		if err := p.split(); err != nil {
			t.Fatal(err)
		}
		if len(p.records) != 100 {
			t.Fatalf("%d records", len(p.records))
		}
		for i, r := range p.records {
			if !bytes.Equal(r.value, want.Data[i]) || string(r.id) != fmt.Sprint(firstID+i) || string(r.stamp) != stampOf(t, r.value) {
				t.Fatalf("record %d: id %s, stamp %s, value %s", i, r.id, r.stamp, r.value)
			}
		}
	}
	p.body = []byte(`{"data":[{"id":1}]}`)
	if err := p.split(); err == nil {
		t.Error("took a record without updated_at")
	}
}

func TestTributaryConfigIsYAML(t *testing.T) {
	var got struct {
		Group   string
		Sources []struct{ Preset, URL, Interval string }
	}
	if err := yaml.Unmarshal([]byte(tributaryConfig("r1", "127.0.0.1:9092", "http://127.0.0.1:1/v2", 50*time.Millisecond)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Group != "r1" || len(got.Sources) != 1 || got.Sources[0].Preset != "salesloft" || got.Sources[0].Interval != "50ms" {
		t.Errorf("%+v", got)
	}
}

func TestBareBackfillAndLatency(t *testing.T) {
	kafkatest.Require(t)
	for _, args := range [][]string{
		{"-only", "bare", "-records", "20050", "-rounds", "1", "-warmup", "0"},
		{"-only", "bare", "-latency", "-for", "5s"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, &out)
		}
		t.Logf("%v\n%s", args, &out)
	}
}

func TestAFailedSideIsNamed(t *testing.T) {
	kafkatest.Require(t)
	binary := filepath.Join(t.TempDir(), "tributary")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho it broke\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err := run(t.Context(), []string{"-only", "tributary", "-tributary", binary, "-records", "10"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "it broke") {
		t.Errorf("err = %v", err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("told after %s", d)
	}
}
