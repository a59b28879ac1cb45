// Package controls checks the suites: it makes mistakes in a copy of the program, one at
// a time, and each must be caught by a test that is named beforehand. A suite that passes
// says something only if it fails where there is something wrong; a mistake that no suite
// catches is a hole in the suites.
//
// A control is a file patches/NAME.patch: some lines of header and a unified diff against
// the root of the repository.
//
//	What the mistake is, in words.
//
//	Caught-by: ./sink TestASecondInstanceFencesTheFirstWhichNamesIt
//	Flags: -schedules=3000
//
//	--- a/sink/acquire.go
//	+++ b/sink/acquire.go
//	…
//
// Caught-by names a package and the tests of it that must fail, each of them (TestName or
// TestName/subtest_as_go_test_writes_it, several apart by a comma and a space). Flags are
// given to the test. A control is one that a person could make, as small as it can be, and
// is caught by the cheapest suite that catches it.
//
// The patched files are compiled in place of the real ones by `go test -overlay`; the tree
// itself is never touched. A mistake that does not compile, a suite that panics outside of
// the named test or that runs out of time have caught nothing. The same tests are run
// without any patch too and must pass: what always fails catches nothing either.
package controls
