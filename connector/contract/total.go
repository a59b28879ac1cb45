package contract

import (
	"context"
	"fmt"
	"slices"

	"tributary/connector"
)

// counted compares the total of what is newest with what is shown of it, where no upper
// bound allows it of anything else.
func (c *Check) counted(ctx context.Context) {
	set := c.o.Settings
	if !c.o.Counts || c.o.Upper || set.Unfiltered || set.Unordered || len(c.rows) == 0 || c.hasFailed("total") {
		return
	}
	newest := connector.Beginning
	for _, r := range c.rows {
		newest = max(newest, r.Instant)
	}
	page, ok := c.ask(ctx, "order", connector.Query{From: newest.Floor(c.tick), To: connector.Forever, Page: 1, Count: true})
	if !ok || len(page.Records) == 0 {
		return
	}
	if !page.Last && set.Paged {
		rest, err := c.fetch(ctx, connector.Query{From: newest.Floor(c.tick), To: connector.Forever, Page: 2, Count: true})
		page.Last = err == nil && len(rest.Records) == 0
	}
	if page.Last || page.Total < len(page.Records) {
		c.total(page)
	}
}

func (c *Check) total(p connector.Page) {
	switch n := len(p.Records); {
	case !c.o.Counts:
	case p.Total < 0:
		c.add("total", Warn, "it was asked for a total and says none", "ties are drained by what pages show alone, which takes more passes", "check `page.total` and `page.count_params`")
	case p.Last && p.Total != n || p.Total < n:
		c.add("total", Fail, fmt.Sprintf("it says that there are %d records, and shows %d", p.Total, n),
			"a tie larger than a page would be read again and again, to find what is never shown", "take `page.total` away: it counts something else")
	default:
		c.add("total", OK, fmt.Sprintf("its total agrees with what it shows: %d of %d", n, p.Total), "", "")
	}
}

// ofPage asks for the second page although the total says that the first is all: some APIs
// say there how many records the page has.
func (c *Check) ofPage(ctx context.Context) {
	second, err := c.fetch(ctx, connector.Query{From: connector.Beginning, To: connector.Forever, Page: 2})
	if err != nil || !c.o.Settings.Paged {
		return // by tokens none leads there
	}
	was := c.instants(c.first.Records)
	for _, r := range second.Records {
		if _, shown := was[c.key(r)]; !shown && r.Bad == "" {
			c.add("total", Fail, fmt.Sprintf("its total says that there are %d records, as many as the page has, and the next page shows record %q", c.first.Total, r.ID),
				"readings would take a page for the last one that is not: of a tie larger than a page records would be lost", "take `page.total` away: it counts a page")
			return
		}
	}
}

func (c *Check) hasFailed(rule string) bool {
	return slices.ContainsFunc(c.found, func(f Finding) bool { return f.Rule == rule && f.Level == Fail })
}
