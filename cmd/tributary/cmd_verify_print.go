package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tributary/sink/verify"
)

// printVerified prints a report and returns the error that its exit code goes with.
func printVerified(a *app, r *verify.Report, asJSON bool) error {
	if asJSON {
		if err := printJSON(a.stdout, r); err != nil {
			return err
		}
	} else {
		printReport(a.stdout, r)
	}
	total := 0
	for _, n := range r.Counts {
		total += n
	}
	switch {
	case total > 0:
		return &exitError{code: exitCheck, err: errors.New(count(total, "finding"))}
	case r.Failed > 0:
		return fmt.Errorf("%d of %d collections could not be verified", r.Failed, len(r.Collections))
	}
	return nil
}

func printReport(w io.Writer, r *verify.Report) {
	for _, c := range r.Collections {
		fmt.Fprintf(w, "%s %s\n", verdict(c), verifiedLine(c))
		if c.Against != nil {
			fmt.Fprintf(w, "     against the source of %s: %s\n", c.Against.Began, againstLine(c.Against))
		}
		for _, n := range c.Notes {
			fmt.Fprintf(w, "     note: %s\n", oneLine([]byte(n)))
		}
		for _, k := range c.ChangedKeys {
			fmt.Fprintf(w, "     not judged, for it goes on changing: %s\n", oneLine([]byte(k)))
		}
		if c.Error != "" {
			fmt.Fprintf(w, "     could not be verified: %s\n", oneLine([]byte(c.Error)))
		}
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(w)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(w, findingLine(f))
	}
	for _, check := range slices.Sorted(maps.Keys(r.Counts)) {
		if listed := listed(r, check); r.Counts[check] > listed {
			fmt.Fprintf(w, "%s: %d in all, %d listed (--limit)\n", check, r.Counts[check], listed)
		}
	}
	fmt.Fprintf(w, "\nWhere nothing was found, this holds:\n%s\nNot proved:\n%s", bullets(r.Proved), bullets(r.NotProved))
	fmt.Fprintf(w, "\ntook %s\n", roundTook(r.Took))
}

func verdict(c *verify.Collection) string {
	switch n := c.Findings(); {
	case n > 0:
		return count(n, "finding") + " in"
	case c.Error != "":
		return "fail"
	default:
		return "ok  "
	}
}

// verifiedLine is what was looked at of a collection, in one line.
func verifiedLine(c *verify.Collection) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d live keys, %d of them agree", c.Name(), c.Live, c.Agreed)
	more := func(n int, what string) {
		if n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, what)
		}
	}
	more(c.NotCompared, "by presence alone, for they were hashed otherwise")
	more(c.Pending, "wait to be published again")
	more(c.Renamed, "records published under another name of it")
	more(c.Changed, "changed while verifying and were not judged")
	fmt.Fprintf(&b, "; topic %s: %d records, %d of them deletions, up to batch %d; %d batches whole, %d not judged; %s",
		c.Topic, c.Records, c.Tombstones, c.Seq, c.Whole, c.Unjudged, roundTook(c.Took))
	return b.String()
}

func againstLine(x *verify.Against) string {
	s := fmt.Sprintf("%d live records shown, %d published just so (%d by their stamp alone), %d changed meanwhile", x.Shown, x.Equal, x.NotCompared, x.Changed)
	if !x.Whole {
		s += "; it did not come to its end, for a tie is being written to: of what was not shown nothing is said"
	}
	return s
}

func findingLine(f verify.Finding) string {
	where := f.Topic
	if f.Partition >= 0 {
		where += fmt.Sprintf(" partition %d", f.Partition)
	}
	if f.Offset >= 0 {
		where += fmt.Sprintf(" offset %d", f.Offset)
	}
	key := ""
	if f.Key != "" {
		key = fmt.Sprintf(" key %q", f.Key)
	}
	return fmt.Sprintf("%s: %s%s: %s", f.Check, where, key, oneLine([]byte(f.What)))
}

func listed(r *verify.Report, check string) (n int) {
	for _, f := range r.Findings {
		if f.Check == check {
			n++
		}
	}
	return n
}

func roundTook(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}
