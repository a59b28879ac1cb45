package connector

import "slices"

// maxReasons is how many reasons one pull has at most, but for one of each name, and
// maxWeight how many bytes they may say: a thousand readers of the same list say nothing
// that ten do not say, and all of it is sent to a handler.
const (
	maxReasons = 100
	maxWeight  = 4 << 20
)

// note adds a reason to those of the pull that begins next. The mutex is held.
func (p *Pulls) note(r Reason) {
	p.weight += r.weight()
	if len(p.asked) >= maxReasons || p.weight > maxWeight {
		same := func(o Reason) bool { return o.Name == r.Name }
		if i := slices.IndexFunc(p.asked, same); i >= 0 {
			p.asked[i].join(r)
			return
		}
	}
	p.asked = append(p.asked, r)
}

// weight is about how many bytes a reason says.
func (r *Reason) weight() int {
	n := len(r.Filter) + len(r.Aggregation) + len(r.Patch) + len(r.Records)
	for _, words := range [][]string{r.Affected, r.Projection} {
		for _, w := range words {
			n += len(w)
		}
	}
	return n
}

// join makes one reason of two of the same name. It asks for no less than either: a handler
// that reads what it is asked for alone would else have who waits for the rest believe that
// it was read too.
func (r *Reason) join(o Reason) {
	all := *r
	*r = Reason{Name: all.Name, At: all.At}
	if !all.named() || !o.named() {
		return
	}
	if r.Collection = all.Collection; r.Collection == "" {
		r.Collection = o.Collection
	}
	r.Affected = slices.Concat(all.Affected, o.Affected)
	if o.Collection != "" {
		r.Affected = append(r.Affected, o.Collection)
	}
	slices.Sort(r.Affected)
	r.Affected = slices.Compact(r.Affected)
}

// named says whether a reason says which collections it is about.
func (r *Reason) named() bool { return r.Collection != "" || len(r.Affected) > 0 }

// Wanted says whether somebody has asked for a pull, beside one that may run, which is due.
func (p *Pulls) Wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held == nil && len(p.asked) > 0 && !p.askedAt.Add(p.triggers.Delay).After(p.now())
}
