package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// five is a plane of collections in many states, the worst of them not the first.
func five() *controltest.Plane {
	all := []control.Collection{
		controltest.Collection("eu", "people"), controltest.Collection("eu", "accounts"), controltest.Collection("eu", "notes"),
		controltest.Collection("us", "people"), controltest.Collection("us", "deals"),
	}
	all[1].State, all[1].Hold = connector.StatePaused, control.HoldPaused
	controltest.Fail(&all[2], connector.StateBackoff, "the API answered 503", "")
	controltest.Fail(&all[3], connector.StateStopped, "its topic is gone", "reset it")
	all[4].Topic, all[4].Rate, all[4].Records = "sales.deals", 9, 3
	return controltest.New(all...)
}

// A collection is a little behind at the end of each of its intervals: were that a reason
// to be first, a list of many would never rest.
func TestOnlyWhatIsReallyLateIsPutFirst(t *testing.T) {
	a, b, c := controltest.Collection("eu", "a"), controltest.Collection("eu", "b"), controltest.Collection("eu", "c")
	moment, late := 12.0, 31.0 // of an interval of 30
	b.Lag, c.Lag = &moment, &late
	h := serve(t, controltest.New(a, b, c), nil)
	var page control.CollectionPage
	h.ask("GET", "/v1/collections?sort=attention", "").is(200).into(&page)
	var names []string
	for _, c := range page.Collections {
		names = append(names, c.Collection)
	}
	if got := strings.Join(names, " "); got != "c a b" {
		t.Errorf("the order is %s, want c a b", got)
	}
}

func TestCollectionsAreSearchedSortedAndPaged(t *testing.T) {
	h := serve(t, five(), nil)
	for _, c := range []struct {
		query string
		want  string
		total int
	}{
		{"", "eu.people eu.accounts eu.notes us.people us.deals", 5},
		{"search=PEOPLE", "eu.people us.people", 2},
		{"search=u.", "eu.people eu.accounts eu.notes", 3},
		{"search=sales", "us.deals", 1},
		{"search=nothing", "", 0},
		{"source=us", "us.people us.deals", 2},
		{"source=us&source=eu&search=people", "eu.people us.people", 2},
		{"source=none", "", 0},
		{"state=backoff,stopped", "eu.notes us.people", 2},
		{"state=backoff&state=paused", "eu.accounts eu.notes", 2},
		{"sort=attention", "us.people eu.notes eu.people us.deals eu.accounts", 5},
		{"sort=attention&descending=true", "eu.accounts eu.people us.deals eu.notes us.people", 5},
		{"sort=name", "eu.accounts eu.notes eu.people us.deals us.people", 5},
		{"sort=rate&descending=true&limit=1", "us.deals", 5},
		{"sort=records&limit=1", "us.deals", 5},
		{"sort=last_error&descending=true&limit=2", "eu.notes us.people", 5},
		{"sort=next_run&limit=1", "us.people", 5},
		{"offset=1&limit=2", "eu.accounts eu.notes", 5},
		{"offset=4&limit=2", "us.deals", 5},
		{"offset=5", "", 5},
		{"offset=2147483647&limit=1000", "", 5},
	} {
		var page control.CollectionPage
		h.ask("GET", "/v1/collections?"+c.query, "").is(200).into(&page)
		var names []string
		for _, c := range page.Collections {
			names = append(names, c.Name.String())
		}
		if got := strings.Join(names, " "); got != c.want || page.Total != c.total || page.All != 5 {
			t.Errorf("%s: %s, %d of %d; want %s, %d of 5", c.query, got, page.Total, page.All, c.want, c.total)
		}
	}
}

func TestStatesAreCountedWhateverStateIsAskedFor(t *testing.T) {
	h := serve(t, five(), nil)
	var page control.CollectionPage
	h.ask("GET", "/v1/collections?source=eu&state=backoff", "").is(200).into(&page)
	want := map[string]int{"running": 1, "paused": 1, "backoff": 1, "stopped": 0, "quarantined": 0, "restoring": 0, "reauth_required": 0}
	if fmt.Sprint(page.States) != fmt.Sprint(want) {
		t.Errorf("the states are %v, want %v", page.States, want)
	}
}

// TestWhatAPersonShouldLookAtComesFirst in the order in which it is urgent.
func TestWhatAPersonShouldLookAtComesFirst(t *testing.T) {
	var all []control.Collection
	add := func(name string, change func(*control.Collection)) {
		c := controltest.Collection("eu", name)
		change(&c)
		all = append(all, c)
	}
	lag := 90.0
	add("held", func(c *control.Collection) { c.State, c.Hold = connector.StateStopped, control.HoldStopped })
	add("fine", func(*control.Collection) {})
	add("late", func(c *control.Collection) { c.Lag = &lag })
	add("restoring", func(c *control.Collection) { c.State, c.Lag = connector.StateRestoring, nil })
	add("guarded", func(c *control.Collection) { c.Guarded = true })
	add("backoff", func(c *control.Collection) { c.State = connector.StateBackoff })
	add("quarantined", func(c *control.Collection) { c.State = connector.StateQuarantined })
	add("reauth", func(c *control.Collection) { c.State = connector.StateReauthRequired })
	add("stopped", func(c *control.Collection) { c.State, c.Lag = connector.StateStopped, nil })
	h := serve(t, controltest.New(all...), nil)
	var page control.CollectionPage
	h.ask("GET", "/v1/collections?sort=attention", "").is(200).into(&page)
	var got []string
	for _, c := range page.Collections {
		got = append(got, c.Collection)
	}
	want := []string{"stopped", "reauth", "quarantined", "backoff", "guarded", "restoring", "late", "fine", "held"}
	if !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
}

func TestAnAnswerOfTenThousandCollectionsIsSmall(t *testing.T) {
	h := serve(t, controltest.New(controltest.Many(10_000)...), nil)
	a := h.ask("GET", "/v1/collections?sort=attention&search=collection", "").is(200)
	if len(a.body) > 100<<10 {
		t.Errorf("the answer has %d bytes", len(a.body))
	}
	var page control.CollectionPage
	if a.into(&page); len(page.Collections) != 100 || page.Total != 10_000 {
		t.Errorf("%d of %d collections", len(page.Collections), page.Total)
	}
}

func BenchmarkCollections(b *testing.B) {
	plane := controltest.New(controltest.Many(10_000)...)
	handler := control.NewHandler(plane, control.Config{Loopback: true})
	defer handler.Close()
	for _, query := range []string{"", "sort=attention", "sort=name&search=collection-42", "sort=lag&descending=true&offset=5000"} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				w := newWriter()
				handler.ServeHTTP(w, newRequest(b, "GET", "/v1/collections?"+query, ""))
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// FuzzQueries holds what any query is answered with against what it may be.
func FuzzQueries(f *testing.F) {
	for _, q := range []string{
		"", "search=a&source=eu,us&state=running&sort=name&descending=true&offset=1&limit=2", "limit=99999999999999999999", "offset=0x1",
		"search=%ff", "state=,,,", "sort=", "a=1;b=2", "%", "search=a&search=b", "source=" + strings.Repeat("x", 300),
	} {
		f.Add(q)
	}
	plane := five()
	handler := control.NewHandler(plane, control.Config{Loopback: true})
	defer handler.Close()
	f.Fuzz(func(t *testing.T, query string) {
		if _, err := url.ParseRequestURI("/v1/collections?" + query); err != nil {
			t.Skip() // it would not come so far
		}
		for _, path := range []string{"/v1/collections", people + "/changes"} {
			r := newRequest(t, "GET", path, "")
			r.URL.RawQuery = query
			w := newWriter()
			handler.ServeHTTP(w, r)
			switch a := (&answer{t: t, status: w.Code, header: w.Header(), body: w.Body.Bytes()}); a.status {
			case 200:
				if path == "/v1/collections" {
					var page control.CollectionPage
					if a.into(&page); len(page.Collections) > page.Limit || page.Total > page.All || page.Limit < 1 || page.Limit > 1000 {
						t.Errorf("%q: %+v", query, page)
					}
				}
			case 400:
				a.problem(400, "malformed")
			default:
				t.Errorf("%q: status %d: %s", query, a.status, a.body)
			}
		}
	})
}

// TestARecordIsShownAsItIs where JSON's grammar allows more than its usual decoders do, and a
// key that is no UTF-8 is a key that no record has.
func TestARecordIsShownAsItIs(t *testing.T) {
	plane := three()
	const value = `{"id":1,"id":2,"name":"half \ud800","n":1e999}`
	plane.OnChanges = func(_ context.Context, _ control.Name, key string, _ int) (control.Changes, error) {
		return control.Changes{Key: key, Changes: []control.Change{{Value: json.RawMessage(value)}}}, nil
	}
	h := serve(t, plane, nil)
	if a := h.ask("GET", people+"/changes?key=1", "").is(200); !bytes.Contains(a.body, []byte(value)) {
		t.Errorf("it is shown as %s", a.body)
	}
	h.ask("GET", people+"/changes?key=%ff", "").is(200)
}

// TestATextOfOthersThatIsNoUTF8IsShownAndTold: an error may quote what an API has answered.
func TestATextOfOthersThatIsNoUTF8IsShownAndTold(t *testing.T) {
	plane := three()
	plane.Set(control.Name{Source: "eu", Collection: "people"}, func(c *control.Collection) { c.Why = "caf\xe9" })
	h := serve(t, plane, nil)
	h.ask("GET", "/v1/collections", "").is(200)
	l := h.listen("", "")
	l.want("hello")
	plane.Events().Tell(control.Event{Type: control.EventLog, Data: control.LogLine{Level: "WARN", Message: "caf\xe9"}})
	l.want("log")
}

// TestOnlySoManyLookAtChangesAtOnce: each reads a part of a topic with a client of its own.
func TestOnlySoManyLookAtChangesAtOnce(t *testing.T) {
	plane := three()
	began, end := make(chan struct{}), make(chan struct{})
	plane.OnChanges = func(_ context.Context, _ control.Name, key string, _ int) (control.Changes, error) {
		began <- struct{}{}
		<-end
		return control.Changes{Key: key, Changes: []control.Change{}}, nil
	}
	h := serve(t, plane, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { h.ask("GET", people+"/changes?key=7", "").is(200) })
		<-began
	}
	a := h.ask("GET", people+"/changes?key=7", "")
	if a.problem(503, "too-many"); a.header.Get("Retry-After") == "" {
		t.Error("it is not said when to come back")
	}
	h.ask("GET", people, "").is(200)
	close(end)
	all.Wait()
	go func() { <-began }()
	h.ask("GET", people+"/changes?key=7", "").is(200)
}
