package rest

import (
	"net/http"
	"net/url"
	"time"

	"tributary/connector"
)

// Config says how one collection of one API is asked for. All paths into JSON are
// names joined by dots ("metadata.paging.next_page"); the empty path is the whole.
type Config struct {
	// Base is the API's address. A request never leaves its scheme, host and port.
	Base *url.URL
	// Path is the collection's, relative to Base.
	Path string
	// Params and Headers are sent with every request.
	Params  url.Values
	Headers http.Header
	// Auth is applied to every request; nil sends none.
	Auth *Auth

	// Timeout is the deadline for one page, from dialing to the last byte.
	Timeout time.Duration
	// MaxBody and MaxCompressed bound a body in bytes, decoded and as received;
	// MaxDepth bounds the nesting of its JSON.
	MaxBody, MaxCompressed int64
	MaxDepth               int

	// From and To are the query parameters of the inclusive lower and the exclusive
	// upper bound; To is empty where the API has none.
	From, To string
	// Format is how a bound is written: "rfc3339" (whole seconds), "rfc3339_ms",
	// "rfc3339_us", "unix", "unix_ms", or a layout of Go's package time, in UTC.
	Format string
	// Order are the query parameters that ask for ascending instants.
	Order url.Values

	// SizeParam and Size ask for the size of a page; PageParam for its number, from
	// 1. An empty PageParam is an API that cannot page within bounds.
	SizeParam, PageParam string
	Size                 int
	// Next is the path of a value that is null, false, 0, empty or absent when nothing
	// follows; empty where the API does not say. Its parent must be there, or the
	// answer says nothing.
	Next string
	// Total is the path of the number of records within the bounds, CountParams the
	// parameters that ask for it.
	Total       string
	CountParams url.Values
	// ProbeParam is the query parameter that asks for records by id, repeated for
	// each ("ids[]"); ProbeMax how many a request may name. Empty: no probes.
	ProbeParam string
	ProbeMax   int

	// Records, ID, Instant and Deleted are the paths of the array of records in a
	// body and, in a record, of its id, its instant, and of the value that says it
	// is deleted (present and neither null, false, 0 nor an empty text; empty path:
	// deletions are not announced so).
	Records, ID, Instant, Deleted string
	// EchoFrom is the path at which the API repeats the lower bound that it applied,
	// EchoOrder those at which it repeats the order, with the prefix that is
	// expected there, upper and lower case alike. An echo that is absent or differs
	// is an API that ignored the query.
	EchoFrom  string
	EchoOrder map[string]string

	// Include or Exclude are the paths of the fields that the hash is made of, or
	// is made without; both empty: every field.
	Include, Exclude []string

	// Drop are the paths of the members that are not published, Mask of the values in
	// whose place canon.Mask is.
	Drop, Mask []string
}

// Auth is a credential that does not change: exactly one of its kinds is set.
type Auth struct {
	Bearer             string
	HeaderName, Header string
	Username, Password string
}

// HashVersion numbers the canonical form and the digest of a record.
const HashVersion = 1

// Fingerprint returns what the ledger's entries of this collection are made with.
func (c *Config) Fingerprint() connector.Fingerprint {
	return connector.Fingerprint{
		HashVersion: HashVersion, Include: c.Include, Exclude: c.Exclude, Drop: c.Drop, Mask: c.Mask,
		ID: c.ID, Instant: c.Instant, Deletions: c.Deleted,
	}
}
