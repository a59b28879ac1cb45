// Package rest reads collections of REST APIs as their config says: it asks for one
// page, checks the whole answer, and gives back its records.
//
// It promises
//
//   - a page or an error, never a part of a page: a body that was cut, is too large
//     or too deep, is not one JSON document in UTF-8, names a member twice, or comes
//     without the server's Date is refused whole;
//   - every error as package connector wants it: to be tried again (with how long
//     the server asked to wait), or to stop (the API ignored what it was asked for);
//   - that a credential goes to the scheme, host and port of the base address alone,
//     and appears in no error;
//   - a record's bytes as the API sent them, and a digest of the fields one cares
//     about that does not depend on how they were written (package canon).
//
// It never tries a request again, waits, logs, reads the clock of this machine for a
// decision about records, or remembers anything from one page to the next: all that
// is the caller's. A record that cannot be published is marked as bad, and the rest
// of its page is good.
//
// Presets are configs of known APIs in the language of the user's own config.
package rest
