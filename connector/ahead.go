package connector

import "context"

// An ahead is a request that was sent before it was asked for: while a page is diffed and
// committed, the next one is fetched. It is diffed only when its turn comes, after the
// batch before it is in the ledger, so that the order of requests and batches is one.
type ahead struct {
	q      Query
	cancel context.CancelFunc
	done   chan struct{}
	page   Page
	err    error
}

// ahead sends q, which is what fetch will be asked for next, if nothing fails.
func (r *Reader) ahead(ctx context.Context, q Query) {
	if r.env.Go == nil || r.sent != nil || r.late() {
		return
	}
	q.Priority, q.By = r.urgency(), r.by
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{q: q, cancel: cancel, done: make(chan struct{})}
	r.sent = a
	r.env.Go(func() {
		defer close(a.done)
		a.page, a.err = r.src.Fetch(ctx, q)
	})
}

// ask answers q from what was sent ahead, or sends it now. A source is asked by one
// goroutine at a time: what was sent for another query is called off first.
func (r *Reader) ask(ctx context.Context, q Query) (Page, error) {
	if a := r.sent; a != nil && a.q.same(q) {
		<-a.done
		r.recall()
		return a.page, a.err
	}
	r.recall()
	return r.src.Fetch(ctx, q)
}

// recall calls off what was sent ahead, waits for its end, and forgets it. It may stand in
// a queue for its source's budget, and whatever ended the pull must not wait for that.
func (r *Reader) recall() {
	if r.sent != nil {
		r.sent.cancel()
		<-r.sent.done
		r.sent = nil
	}
}

func (q Query) same(o Query) bool {
	return q.From == o.From && q.To == o.To && q.Page == o.Page && q.Count == o.Count && len(q.IDs)+len(o.IDs) == 0
}
