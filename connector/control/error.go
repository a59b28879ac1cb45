package control

// Kind says what sort of error a Plane has met; each is one status of HTTP.
type Kind int

// The kinds.
const (
	Unknown     Kind = iota // there is no such source, collection or key
	Invalid                 // what was asked for cannot be meant
	Conflict                // not in the state that it is in
	Unavailable             // not now: a lane is being acquired, Kafka does not answer
	Failed                  // the API or the handler failed, so nothing is known to be fresh
	TooLate                 // not within the time that was given; what was begun goes on
)

// Error is why a Plane does not do what it was asked for.
type Error struct {
	Kind Kind
	// Detail says what is wrong, Remedy what to do about it.
	Detail, Remedy string
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Detail
	}
	return e.Detail + "; " + e.Remedy
}
