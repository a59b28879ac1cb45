package offsets

import "tributary/connector"

// sweepJSON is how far a collection's sweep has come. Position is there while one runs;
// members that say nothing are left out, and so is the whole where none ever was.
type sweepJSON struct {
	Position *instantText `json:"position,omitempty"`
	Started  *instantText `json:"started,omitempty"`
	Ended    *instantText `json:"ended,omitempty"`
	Passed   *instantText `json:"passed,omitempty"`
	Guard    string       `json:"guard,omitempty"`
	Listing  string       `json:"listing,omitempty"`
	Trusted  string       `json:"trusted,omitempty"`
	Asked    bool         `json:"asked,omitempty"`
	Approved bool         `json:"approved,omitempty"`
}

// feedJSON is how far the list of deletions was read.
type feedJSON struct {
	Cursor   string      `json:"cursor"`
	CursorAt instantText `json:"cursor_at"`
	Trailing instantText `json:"trailing"`
}

func toSweepJSON(s connector.Sweep) *sweepJSON {
	at := func(i connector.Instant) *instantText {
		if i == 0 {
			return nil
		}
		return (*instantText)(&i)
	}
	j := &sweepJSON{
		Started: at(s.Started), Ended: at(s.Ended), Passed: at(s.Passed),
		Guard: s.Guard, Listing: s.Listing, Trusted: s.Trusted, Asked: s.Asked, Approved: s.Approved,
	}
	if s.Running {
		j.Position = (*instantText)(&s.Position)
	}
	return j
}

// sweep returns what j says; a state of before there were sweeps has none.
func (j *sweepJSON) sweep() connector.Sweep {
	var s connector.Sweep
	if j == nil {
		return s
	}
	for to, from := range map[*connector.Instant]*instantText{
		&s.Position: j.Position, &s.Started: j.Started, &s.Ended: j.Ended, &s.Passed: j.Passed,
	} {
		if from != nil {
			*to = connector.Instant(*from)
		}
	}
	s.Running = j.Position != nil
	s.Guard, s.Listing, s.Trusted, s.Asked, s.Approved = j.Guard, j.Listing, j.Trusted, j.Asked, j.Approved
	return s
}
