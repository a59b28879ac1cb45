package connector

import "context"

// An ahead is a request that was sent before it was asked for: while a page is diffed and
// committed, the next one is fetched. It is diffed only when its turn comes, after the
// batch before it is in the ledger, so that the order of requests and batches is one.
type ahead struct {
	q    Query
	done chan struct{}
	page Page
	err  error
}

// ahead sends q, which is what fetch will be asked for next, if nothing fails.
func (r *Reader) ahead(ctx context.Context, q Query) {
	if r.env.Go == nil || r.sent != nil {
		return
	}
	q.Priority = r.urgency()
	a := &ahead{q: q, done: make(chan struct{})}
	r.sent = a
	r.env.Go(func() {
		defer close(a.done)
		a.page, a.err = r.src.Fetch(ctx, q)
	})
}

// ask answers q from what was sent ahead, or sends it now. A source is asked by one
// goroutine at a time: what was sent for another query is waited for, and dropped.
func (r *Reader) ask(ctx context.Context, q Query) (Page, error) {
	if a := r.sent; a != nil {
		r.recall()
		if a.q.same(q) {
			return a.page, a.err
		}
	}
	return r.src.Fetch(ctx, q)
}

// recall waits for what was sent ahead, and forgets it.
func (r *Reader) recall() {
	if r.sent != nil {
		<-r.sent.done
		r.sent = nil
	}
}

func (q Query) same(o Query) bool {
	return q.From == o.From && q.To == o.To && q.Page == o.Page && q.Count == o.Count && len(q.IDs)+len(o.IDs) == 0
}
