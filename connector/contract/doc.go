// Package contract asks a source, by a handful of queries, whether it keeps to what the
// reading of package connector relies on: an inclusive bound, an ascending order, ids
// that are unique, bounds as fine as they are written, pages that do not overlap. Each
// finding says what it means for what is published, and what to set.
//
// It publishes nothing and decides nothing: a reading checks all that it relies on by
// itself, on every page. What it cannot see by itself is here: that a record was left
// out, how late records are listed, that a coarser setting would be the right one.
//
// A source that is being written to answers differently each time. What a write could
// have caused is never called a failure after one look.
package contract
