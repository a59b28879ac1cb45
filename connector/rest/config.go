package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"tributary/connector"
	"tributary/connector/rest/oauth"
)

// Config says how one collection of one API is asked for. All paths into JSON are
// names joined by dots ("metadata.paging.next_page"); the empty path is the whole.
type Config struct {
	// Base is the API's address. A request never leaves its scheme, host and port.
	Base *url.URL
	// Path is the collection's, relative to Base.
	Path string
	// Method, Params, Clauses, Headers and Body are sent with every request: see Request.
	Method  string
	Params  url.Values
	Clauses map[string]Clauses
	Headers http.Header
	Body    *Tree
	// Auth is applied to every request; nil sends none.
	Auth *Auth
	// Secrets are further texts that no error and no trace shows, such as a key in Base or
	// Path.
	Secrets []string

	// Timeout is the deadline for one page, from dialing to the last byte.
	Timeout time.Duration
	// MaxBody and MaxCompressed bound a body in bytes, decoded and as received;
	// MaxDepth bounds the nesting of its JSON.
	MaxBody, MaxCompressed int64
	MaxDepth               int

	// From and To are the query parameters of the inclusive lower and the exclusive
	// upper bound; To is empty where the API has none.
	From, To string
	// Format is how a bound is written: one of FormatNames, or a layout of Go's package
	// time.
	Format string
	// Zone is where the layout's times, and stamps without an offset, are. nil: a layout's
	// are in UTC, and stamps without an offset are no instants.
	Zone *time.Location
	// Exclusive is how much earlier a lower bound is sent, for an API that shows what is
	// later than it (gt) and not what is equal (gte): one tick. 0: it takes gte.
	Exclusive time.Duration
	// BeginningText is sent as the lower bound of a reading from the beginning, for an API
	// that wants one; empty: none is sent.
	BeginningText string
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
	Total string
	// PageFromZero says that the first page has the number 0. OffsetParam asks for a page
	// by the number of records before it. TokenParam asks for it by what the page before
	// had at Token or, with LastID, by the id of its last record.
	PageFromZero      bool
	OffsetParam       string
	TokenParam, Token string
	LastID            bool
	// FirstToken is the token of the first page, for an API that wants one there too.
	FirstToken string
	// End is the path of a value that is true when nothing follows, for an API that says
	// so, and not that something does (Next).
	End string
	// NextURL is the path of the address of the next page, Link the relation of it in Link
	// headers (RFC 8288). It stays on the scheme, host and port of Base.
	NextURL, Link string
	// MaxOffset is how many records the API shows within the same bounds; 0: all.
	MaxOffset   int
	CountParams url.Values
	// ProbeParam is the query parameter that asks for records by id, repeated for
	// each ("ids[]"); ProbeMax how many a request may name. Empty: no probes.
	ProbeParam string
	ProbeMax   int
	// ProbeJoin stands between ids where ProbeParam is not repeated: "1,2". Probe is how
	// else they are asked for; nil: by the collection's own request.
	ProbeJoin string
	Probe     *Probe
	// Unordered says that the API cannot sort by the instant, ascending: order: none.
	Unordered bool
	// Parent says below which records the collection lies; nil: below none.
	Parent *Parent
	// Undated says that records need no instant: those of a list of parents, and those that
	// a handler tells of.
	Undated bool
	// Errors say what is an error although its status does not say so.
	Errors []ErrorRule

	// Records, ID, Instant and Deleted are the paths of the array of records in a
	// body and, in a record, of its id, its instant, and of the value that says it
	// is deleted (present and neither null, false, 0 nor an empty text; empty path:
	// deletions are not announced so).
	Records, ID, Instant, Deleted string
	// InstantElse are the paths that are looked at, in their order, where Instant has
	// nothing or null.
	InstantElse []string
	// IDMore are the paths of the further parts of an id that is composed of several.
	IDMore []string
	// DeletedEquals is the JSON scalar that Deleted has in a record that is deleted; empty:
	// any that says something.
	DeletedEquals string
	// AlwaysDeleted says that the list is one of deletions: every record of it is one, and
	// need hold nothing but an id and an instant.
	AlwaysDeleted bool
	// Unwrap is the path of the record within an item of Records; empty: the item is it.
	Unwrap string
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

// Auth is a credential: exactly one of its kinds is set.
type Auth struct {
	// OAuth says how a token is got, and Tokens puts it on requests: who runs the source
	// makes it from OAuth.
	OAuth              *oauth.Config
	Tokens             Tokens
	Bearer             string
	HeaderName, Header string
	QueryName, Query   string // a query parameter
	Username, Password string
}

// Tokens puts a credential that changes on requests. It is safe for concurrent use.
type Tokens interface {
	// Send sends a request with the credential, once more with a new one where the API
	// refuses it. Its error may be a *connector.RetryError.
	Send(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error)
	// Secrets returns the credentials of now and the last ones, which must not be shown.
	Secrets() []string
}

// HashVersion numbers the canonical form and the digest of a record.
const HashVersion = 1

// Fingerprint returns what the ledger's entries of this collection are made with.
func (c *Config) Fingerprint() connector.Fingerprint {
	return connector.Fingerprint{
		HashVersion: HashVersion, Include: c.Include, Exclude: c.Exclude, Drop: c.Drop, Mask: c.Mask,
		ID: pathsText(c.ID, c.IDMore), Instant: pathsText(c.Instant, c.InstantElse), Deletions: c.deletions(),
	}
}

func (c *Config) deletions() string {
	if c.Deleted == "" || c.DeletedEquals == "" {
		return c.Deleted
	}
	return c.Deleted + " = " + c.DeletedEquals
}

// pathsText writes a path as it is, and several as a JSON list.
func pathsText(first string, more []string) string {
	if len(more) == 0 {
		return first
	}
	list, _ := json.Marshal(append([]string{first}, more...)) // texts can always be marshalled
	return string(list)
}

// main returns the request of readings and, unless they have one of their own, of probes.
func (c *Config) main() *Request {
	return &Request{Method: c.Method, Params: c.Params, Clauses: c.Clauses, Headers: c.Headers, Body: c.Body}
}
