package replica

import "encoding/json"

// Asked is what a query is about, for whoever brings the records up to date before it is
// answered.
type Asked struct {
	Filter     json.RawMessage
	Projection []string
	// Pull is false where whoever asks wants what is there: a handler that reads while it
	// is pulled would wait for the pull behind its own.
	Pull bool
}

// CheckList says what List is asked, or with a *QueryError why it would refuse.
func CheckList(query json.RawMessage) (Asked, error) {
	if _, err := decodeList(query); err != nil {
		return Asked{}, err
	}
	return asked(query)
}

// CheckAggregate does the same for Aggregate.
func CheckAggregate(query json.RawMessage) (Asked, error) {
	if _, err := decodeAggregate(query); err != nil {
		return Asked{}, err
	}
	return asked(query)
}

// asked takes apart a query that was found to be good.
func asked(query []byte) (a Asked, err error) {
	n, err := parseQuery(query)
	a.Pull = true
	if err != nil || len(n.names) == 0 {
		return a, err
	}
	return a, json.Unmarshal(query, &a)
}
