package hostile

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// answer is a page on its way out.
type answer struct {
	q     query
	rows  []*Version
	total int
	stale bool
	// filterEchoed and descEchoed are what the echo says of filter and order.
	filterEchoed, descEchoed bool
	date                     int64
}

// view is the snapshot that one request sees, with the dice it may still throw
// without the lock.
type view struct {
	*tree
	rng      *rand.Rand
	unstable bool
	// listed and seen are the hostility's shares, 0: all.
	listed, seen float64
}

// look takes the snapshot for q and all decisions that need the lock.
func (a *API) look(q query) (answer, view) {
	now := a.settle()
	h := a.hostility
	ans := answer{q: q, date: now, filterEchoed: len(q.bounds) > 0, descEchoed: q.desc}
	c := a.collections[q.collection]
	at := now
	if a.chance(h.Stale) {
		at = now - a.upTo(h.ReplicaLag)
	}
	n := sort.Search(len(c.roots), func(i int) bool { return c.roots[i].at > at }) - 1
	present := c.roots[len(c.roots)-1].tree
	v := view{tree: c.roots[max(n, 0)].tree, unstable: h.UnstableTies, rng: rand.New(rand.NewPCG(a.rng.Uint64(), 0)), seen: h.SeenShare}
	if h.SeenShare > 0 {
		a.fired["view_lost"]++
	}
	if h.ListedShare > 0 && !q.byIDs {
		v.listed = h.ListedShare
		a.fired["listing_cut"]++
	}
	if v.tree != present {
		ans.stale = true
		a.fired["stale"]++
	}
	if q.byIDs {
		for _, id := range q.ids {
			r := c.byID[id]
			if r == nil {
				continue
			}
			if version := r.at(at); version != nil && !slices.Contains(ans.rows, version) {
				ans.rows = append(ans.rows, version)
			}
		}
	}
	a.distort(&ans)
	return ans, v
}

// distort changes the query as the API likes to.
func (a *API) distort(ans *answer) {
	h, q := a.hostility, &ans.q
	if h.MaxPerPage > 0 && q.perPage > h.MaxPerPage {
		q.perPage = h.MaxPerPage
		a.fired["per_page_cut"]++
	}
	if q.floored {
		a.fired["bound_floored"]++
	}
	if len(q.bounds) > 0 && a.chance(h.IgnoreFilter) {
		q.from, q.to = math.MinInt64, math.MaxInt64
		ans.filterEchoed = h.LyingEcho
		a.fired["filter_ignored"]++
	}
	if !q.desc && a.chance(h.IgnoreOrder) {
		q.desc = true
		ans.descEchoed = !h.LyingEcho
		a.fired["order_ignored"]++
	}
}

// fill puts the rows of the page into ans and reports whether a tie was shuffled.
func (v view) fill(ans *answer) (shuffled bool) {
	q := &ans.q
	if q.byIDs || q.sortBy != "updated_at" || v.seen > 0 {
		v.gather(ans)
		return false
	}
	first, end := v.rank(q.from), v.rank(q.to)
	if v.listed > 0 {
		end = min(end, int(v.listed*float64(v.len())))
	}
	ans.total = max(0, end-first)
	lo := min((q.page-1)*q.perPage, ans.total)
	hi := min(lo+q.perPage, ans.total)
	if q.desc {
		lo, hi = first+ans.total-hi, first+ans.total-lo
	} else {
		lo, hi = first+lo, first+hi
	}
	if v.unstable {
		ans.rows, shuffled = v.shuffled(lo, hi)
	} else {
		ans.rows = v.slice(lo, hi, nil)
	}
	if q.desc {
		slices.Reverse(ans.rows)
	}
	return shuffled
}

// shuffled returns the versions from lo to hi with the ties that they lie in put
// into a new order, the part of a tie that lies on other pages included.
func (v view) shuffled(lo, hi int) (rows []*Version, any bool) {
	if lo >= hi {
		return nil, false
	}
	edges := v.slice(lo, lo+1, nil)
	edges = v.slice(hi-1, hi, edges)
	from, to := v.rank(edges[0].order), v.rank(edges[1].order+1)
	rows = v.slice(from, to, make([]*Version, 0, to-from))
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j].order == rows[i].order {
			j++
		}
		if tie := rows[i:j]; len(tie) > 1 {
			any = true
			v.rng.Shuffle(len(tie), func(x, y int) { tie[x], tie[y] = tie[y], tie[x] })
		}
		i = j
	}
	return rows[lo-from : hi-from], any
}

// gather is the slow way, for orders and filters without an index.
func (v view) gather(ans *answer) {
	q := &ans.q
	rows := ans.rows
	if !q.byIDs {
		rows = v.slice(v.rank(q.from), v.rank(q.to), nil)
	} else {
		rows = slices.DeleteFunc(rows, func(r *Version) bool { return r.order < q.from || r.order >= q.to })
	}
	if v.seen > 0 {
		rows = slices.DeleteFunc(rows, func(r *Version) bool { return float64(r.rec.num%100) >= 100*v.seen })
	}
	slices.SortStableFunc(rows, func(x, y *Version) int {
		if q.sortBy == "created_at" || x.order == y.order {
			return cmp.Compare(x.rec.num, y.rec.num)
		}
		return cmp.Compare(x.order, y.order)
	})
	if q.desc {
		slices.Reverse(rows)
	}
	ans.total = len(rows)
	lo := min((q.page-1)*q.perPage, len(rows))
	ans.rows = rows[lo:min(lo+q.perPage, len(rows))]
}

// body renders the page.
func (ans *answer) body() []byte {
	size := 512
	for _, v := range ans.rows {
		size += len(v.Body) + 1
	}
	b := append(make([]byte, 0, size), `{"data":[`...)
	for i, v := range ans.rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v.Body...)
	}
	b = append(b, `],"metadata":`...)
	b = append(b, ans.metadata()...)
	return append(b, '}')
}

// metadata is Salesloft's echo of what was applied.
func (ans *answer) metadata() []byte {
	q := &ans.q
	paging := map[string]any{"per_page": q.perPage, "current_page": q.page, "next_page": nil, "prev_page": nil}
	if q.page*q.perPage < ans.total {
		paging["next_page"] = q.page + 1
	}
	if q.page > 1 {
		paging["prev_page"] = q.page - 1
	}
	if q.counts {
		paging["total_count"] = ans.total
		paging["total_pages"] = (ans.total + q.perPage - 1) / q.perPage
	}
	filtering := make(map[string]any)
	if ans.filterEchoed {
		filtering["updated_at"] = q.bounds
	}
	if q.byIDs {
		filtering["ids"] = q.ids
	}
	direction := "ASC NULLS FIRST"
	if ans.descEchoed {
		direction = "DESC NULLS LAST"
	}
	m, err := json.Marshal(map[string]any{
		"filtering": filtering, "paging": paging,
		"sorting": map[string]string{"sort_by": q.sortBy, "sort_direction": direction},
	})
	if err != nil {
		panic(err) // maps of text and numbers always marshal
	}
	return m
}
