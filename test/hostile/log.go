package hostile

import "time"

// Response is one answer with rows, and what it was an answer to.
type Response struct {
	At                time.Time
	Collection, Query string
	// Stale says that a replica gave it that lagged behind.
	Stale bool
	// Fault names what was done to the body on its way; empty: it was sent whole. A
	// row of a body that was not whole was not served.
	Fault string
	// Rows are the versions in the order in which they stand in the answer.
	Rows []Row
}

// Row names a version.
type Row struct {
	ID  string
	Ver int64
}

// note records an answer before it is sent: what a client publishes was always
// noted before.
func (a *API) note(ans *answer, rawQuery, fault string, shuffled bool) {
	rows := make([]Row, len(ans.rows))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, v := range ans.rows {
		rows[i] = Row{v.ID, v.Ver}
		if fault == "" {
			v.Served++
		}
	}
	if shuffled {
		a.fired["tie_shuffled"]++
	}
	if fault != "" {
		a.fired[fault]++
	}
	a.responses = append(a.responses, Response{
		At: micro(ans.date), Collection: ans.q.collection, Query: rawQuery,
		Stale: ans.stale, Fault: fault, Rows: rows,
	})
}

// Responses returns every answer with rows so far, in the order in which they were
// sent.
func (a *API) Responses() []Response {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Response(nil), a.responses...)
}
