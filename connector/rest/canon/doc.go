// Package canon walks JSON that is known to be valid: it finds the fields that a
// source needs, and makes the digest of the fields that one cares about.
//
// The digest is SHA-256, cut to 128 bits, over a canonical text:
//
//   - no white space; the members of every object in the order of the bytes of
//     their names' canonical text, between the quotes;
//   - a string is its decoded text. Escaped are only the quotation mark and the
//     backslash (with a backslash), characters below U+0020 and surrogates that
//     have no partner (as \u and four lower-case digits): a lone surrogate is legal
//     JSON, common where a system cut a text, and is not any other character;
//   - a string value that is an RFC 3339 date-time is written in UTC, without
//     zeros at the end of its fraction: an API that renders its times in the zone
//     of a user or of the season has not changed its records. Leap seconds and
//     years outside 0000 to 9999 stay as they are;
//   - numbers keep their text: 1, 1.0 and 1e0 are three numbers, and no digit of a
//     long one is lost.
//
// Paths are decoded names joined by dots, or JSON Pointers (RFC 6901), which may also
// name the element of an array where a single value is to be found. A filter looks through arrays: "tags.id"
// is the id in each element of tags. It takes members away and nothing else, so a
// scalar that stands where an object was expected stays. Found fields are never
// inside an array, but by a pointer with its index.
//
// Check promises what the walk relies on. Both refuse rather than guess: two members
// of one name, at any depth and in fields the digest leaves out too, are an error.
// The walk allocates nothing once its buffers have grown. It never changes its
// input, and does not read it again after it has returned.
package canon
