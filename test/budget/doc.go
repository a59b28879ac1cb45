// Package budget shows what a source's budget does for a whole account: fifty-two
// collections, a hostile API that counts points by the calendar minute as Salesloft's does,
// and another user of the same account; real readers and the real HTTP source, in virtual
// time.
//
//	go test -v ./test/budget
//
// prints what was spent in each minute and how fresh live pulls were.
package budget
