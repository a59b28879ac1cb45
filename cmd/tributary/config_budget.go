package main

import (
	"time"

	"tributary/connector/rest"
)

// budget decodes what the API grants its account in a minute, our share of it, what
// requests cost, and where the API says what is left.
func (f *fileDecoder) budget(n *node) rest.Budget {
	b := rest.Budget{Share: 1}
	before := len(f.problems)
	f.object(n, keys{
		"per_minute": func(n *node) { b.PerMinute = f.int(n, 1, 1_000_000_000) },
		"share": func(n *node) {
			found := len(f.problems)
			if b.Share = f.ratio(n); b.Share == 0 && len(f.problems) == found {
				f.fail(n, "must be more than 0: the source would never be asked")
			}
		},
		"window": func(n *node) {
			b.Window = rest.Window(f.oneOf(n, string(rest.WindowMinute), string(rest.WindowSliding), string(rest.WindowNone)))
		},
		"burst": func(n *node) {
			if b.Burst = f.duration(n, time.Second); b.Burst > maxBurst {
				f.fail(n, "wants at most %v: what is saved up longer is a burst that leaves nothing to others", maxBurst)
			}
		},
		"cost":      func(n *node) { b.Cost = f.cost(n) },
		"remaining": func(n *node) { b.Remaining = f.headerName(n) },
		"limit":     func(n *node) { b.Limit = f.headerName(n) },
		"reset": func(n *node) {
			f.object(n, keys{
				"header": func(n *node) { b.Reset = f.headerName(n) },
				"as": func(n *node) {
					b.ResetAs = rest.ResetForm(f.oneOf(n, string(rest.ResetSeconds), string(rest.ResetUnix), string(rest.ResetUnixMS)))
				},
			})
			if n.kind == mapNode {
				f.require(n, "header")
			}
		},
	})
	if n.kind != mapNode {
		return b
	}
	switch {
	case n.get("remaining") == nil && (n.get("limit") != nil || n.get("reset") != nil):
		f.fail(n, `needs "remaining": what "limit" and "reset" are about`)
	case n.get("remaining") == nil || n.get("window") != nil || n.get("cost") != nil || n.get("burst") != nil:
		f.require(n, "per_minute")
	}
	if len(f.problems) == before {
		if err := b.Validate(); err != nil {
			f.failAt(n.pos, "%v", err)
		}
	}
	return b
}

// maxBurst is half of a window: more is no spreading.
const maxBurst = 30 * time.Second

// cost decodes what requests cost in points.
func (f *fileDecoder) cost(n *node) rest.Cost {
	var c rest.Cost
	points := func(to *float64) func(*node) {
		return func(n *node) { *to = float64(f.int(n, 1, 1_000_000)) }
	}
	f.object(n, keys{
		"default": points(&c.Default),
		"probe":   points(&c.Probe),
		"get":     points(&c.Get),
		"header":  func(n *node) { c.Header = f.headerName(n) },
		"pages": func(n *node) {
			if !f.isKind(n, listNode) {
				return
			}
			for _, item := range n.items {
				var p rest.PageCost
				f.object(item, keys{
					"above":  func(n *node) { p.Above = f.int(n, 1, 1_000_000_000) },
					"points": points(&p.Points),
				})
				if item.kind == mapNode {
					f.require(item, "above", "points")
				}
				if len(c.Pages) > 0 && p.Above <= c.Pages[len(c.Pages)-1].Above && p.Above > 0 {
					f.fail(item, "is for pages above %d, which is not beyond those of the item before it", p.Above)
				}
				c.Pages = append(c.Pages, p)
			}
		},
	})
	return c
}

// headerName decodes the name of a header.
func (f *fileDecoder) headerName(n *node) string {
	name := f.name(n)
	if name != "" && !rest.IsHeaderName(name) {
		f.fail(n, "is %s, which cannot be the name of a header", shown(n))
		return ""
	}
	return name
}
