package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tributary/connector"
)

// probe asks by id for records that were shown, and for one that cannot be there.
func (c *Check) probe(ctx context.Context) {
	if c.o.Settings.Probe == 0 {
		return
	}
	var ids []string
	for _, r := range c.first.Records {
		if r.Bad == "" && len(ids) < min(3, c.o.Settings.Probe) {
			ids = append(ids, r.ID)
		}
	}
	page, ok := c.ask(ctx, "probe", connector.Query{From: connector.Beginning, To: connector.Forever, IDs: ids})
	switch {
	case !ok:
	case len(page.Records) < len(ids):
		c.add("probe", Warn, fmt.Sprintf("asked by id for %d records that it has just shown, it shows %d", len(ids), len(page.Records)),
			"probes confirm deletions: what they do not show would pass for deleted, if others are shown", "check `probe`, or take it away")
	default:
		c.add("probe", OK, fmt.Sprintf("%d records asked for by id are shown", len(ids)), "", "")
		if c.o.Settings.Probe > 1 {
			c.absent(ctx, ids[0])
		}
	}
}

// absent asks for ids that nothing has, beside one that is there, as a probe does that
// confirms a deletion: of two no more than one may be there by chance, or be refused for
// its form.
func (c *Check) absent(ctx context.Context, beside string) {
	ids := c.madeUp(beside)
	if len(ids) == 0 {
		c.add("absent", Note, fmt.Sprintf("what it answers about a record that is gone was not asked: of ids such as %q none can be made up", beside), "", "")
		return
	}
	var worst Finding
	for _, id := range ids {
		page, err := c.fetch(ctx, connector.Query{From: connector.Beginning, To: connector.Forever, IDs: []string{id, beside}})
		var stop *connector.StopError
		var again *connector.RetryError
		switch asked := fmt.Sprintf("asked for %q, which nothing should have as its id, beside %q, which is there, it ", id, beside); {
		case errors.As(err, &stop), err != nil && !errors.As(err, &again):
			c.failed("absent", err)
			return
		case err != nil:
			worst = Finding{Found: asked + "answers: " + err.Error(), Means: "a record that is gone could never be asked for: no deletion would be confirmed",
				Set: "ask for each record alone (`probe.get`), say how the API tells that there is none (`probe.gone`), or set `confirm: none`"}
		case shows(page, id):
			worst = Finding{Found: asked + "shows a record for it", Means: "what is gone would pass for there: no deletion would be confirmed",
				Set: "check `probe`; where the API says with 200 that there is no such record, set `probe.gone`; else set `confirm: none`"}
		case !shows(page, beside):
			worst = Finding{Found: asked + "shows neither", Means: "an answer that shows nothing proves nothing: no deletion would be confirmed",
				Set: "ask for each record alone (`probe.get`), or set `confirm: none`"}
		default:
			c.add("absent", OK, "asked for a record that cannot be there, it shows none", "", "")
			return
		}
	}
	worst.Level = Warn
	if s := c.o.Settings.Sweeps; s.Every > 0 && s.Confirm != connector.ConfirmNone {
		worst.Level = Fail
	}
	c.add("absent", worst.Level, worst.Found, worst.Means, worst.Set)
}

func shows(p connector.Page, id string) bool {
	return slices.ContainsFunc(p.Records, func(r connector.Record) bool { return r.ID == id })
}

// madeUp returns two ids of the form that id has, which were not shown. A number is one
// that few collections come to, and one that is not far from those that there are.
func (c *Check) madeUp(id string) (ids []string) {
	at := strings.LastIndexAny(id, "/_:") + 1 // what stands before it is a kind, or a parent
	head, tail := id[:at], id[at:]
	if n, err := strconv.ParseInt(tail, 10, 64); err == nil && n >= 0 && n < 1<<62 {
		for _, r := range c.rows {
			if m, err := strconv.ParseInt(strings.TrimPrefix(r.ID, head), 10, 64); err == nil && m < 1<<62 {
				n = max(n, m)
			}
		}
		far := int64(1<<31 - 2) // fits 32 bits
		if n >= far/2 {
			far = 2*n + 1
		}
		return []string{head + strconv.FormatInt(far, 10), head + strconv.FormatInt(n+1_000_003, 10)}
	}
	for by := 1; len(ids) < 2 && by < 16; by += 2 {
		other := head + turned(tail, by)
		if _, shown := c.at[other]; !shown && other != id {
			ids = append(ids, other)
		}
	}
	return ids
}

// turned returns text with other digits and letters of the same kind in each place; a UUID
// stays one of its version.
func turned(text string, by int) string {
	hex := strings.Trim(strings.ToLower(text), "0123456789abcdef-") == ""
	out := []byte(text)
	for i, b := range out {
		letters := 26
		if hex {
			letters = 6
		}
		switch {
		case len(text) == 36 && hex && (i == 14 || i == 19):
		case b >= '0' && b <= '9':
			out[i] = '0' + (b-'0'+byte(by))%10
		case b >= 'a' && b <= 'z':
			out[i] = 'a' + byte((int(b-'a')+by)%letters)
		case b >= 'A' && b <= 'Z':
			out[i] = 'A' + byte((int(b-'A')+by)%letters)
		}
	}
	return string(out)
}
