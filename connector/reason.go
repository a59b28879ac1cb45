package connector

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// ReasonName says in a word, fit for a metric's label, why a pull runs.
type ReasonName string

// The reasons of a pull.
const (
	ReasonStartup         ReasonName = "startup"          // the process has started
	ReasonSchedule        ReasonName = "schedule"         // an interval or a cron expression
	ReasonBeforeList      ReasonName = "before-list"      // somebody is about to list records
	ReasonBeforeAggregate ReasonName = "before-aggregate" // somebody is about to count or sum them
	ReasonAfterCreate     ReasonName = "after-create"     // somebody has written through the API's own interface
	ReasonAfterUpdate     ReasonName = "after-update"
	ReasonAfterDelete     ReasonName = "after-delete"
	ReasonManual          ReasonName = "manual" // an operator asked for it
)

// ReasonNames are all of them, so that every series exists from the start.
var ReasonNames = []ReasonName{
	ReasonStartup, ReasonSchedule, ReasonBeforeList, ReasonBeforeAggregate,
	ReasonAfterCreate, ReasonAfterUpdate, ReasonAfterDelete, ReasonManual,
}

// BeforeAccess says that the reason is of the trigger before_access.
func (n ReasonName) BeforeAccess() bool {
	return n == ReasonBeforeList || n == ReasonBeforeAggregate
}

// AfterWrite says that the reason is of the trigger after_write.
func (n ReasonName) AfterWrite() bool {
	return n == ReasonAfterCreate || n == ReasonAfterUpdate || n == ReasonAfterDelete
}

// Reason is why a pull runs, with what whoever asked for it said: a handler may read less
// when it knows what is looked for. Its JSON is that of a handler's request.
type Reason struct {
	Name ReasonName `json:"name"`
	// At is when it was asked for, by our clock.
	At time.Time `json:"at"`
	// Collection is the one that is asked about, Affected are those that may have
	// changed; empty where that is not known.
	Collection string   `json:"collection,omitempty"`
	Affected   []string `json:"affected_collections,omitempty"`
	// Caller is who asks, as he calls himself.
	Caller string `json:"caller,omitempty"`
	// Filter and Projection are of the records that are looked for, or were written;
	// Aggregation is what is made of them, Patch what was written to them.
	Filter      json.RawMessage `json:"filter,omitempty"`
	Projection  []string        `json:"projection,omitempty"`
	Aggregation json.RawMessage `json:"aggregation,omitempty"`
	Patch       json.RawMessage `json:"patch,omitempty"`
	// Records are those that were created.
	Records json.RawMessage `json:"records,omitempty"`
}

// NamesOf returns the names of reasons, each once and in their own order, for logs.
func NamesOf(reasons []Reason) string {
	var names []string
	for _, n := range ReasonNames {
		if slices.ContainsFunc(reasons, func(r Reason) bool { return r.Name == n }) {
			names = append(names, string(n))
		}
	}
	return strings.Join(names, ",")
}
