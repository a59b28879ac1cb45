package hostile

import "strings"

// A Plant is a row among the records of a collection that is none of them: it has no
// history, and a judge expects it in no topic. It is what a connector cannot publish.
type Plant struct {
	a   *API
	c   *collection
	rec *record
}

// Plant shows a row from now on, at the place of its stamp, of whatever JSON it is. AT in
// it becomes the stamp's text.
func (a *API) Plant(collection, body string) *Plant {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.collection(collection)
	a.plants--
	p := &Plant{a, c, &record{num: a.plants}}
	p.put(body)
	return p
}

// Change gives the row another body, and a new stamp, and returns what is shown now.
func (p *Plant) Change(body string) string {
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	return p.put(body)
}

// Body returns what is shown.
func (p *Plant) Body() string {
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	return string(p.rec.latest().Body)
}

func (p *Plant) put(body string) string {
	now := p.a.settle()
	v := &Version{Collection: p.c.name, Ver: int64(len(p.rec.versions)) + 1, Op: Update, Stamp: micro(now), order: now, rec: p.rec}
	v.Body = []byte(strings.ReplaceAll(body, "AT", stampText(v.Stamp, 0)))
	v.show(now)
	p.rec.versions = append(p.rec.versions, v)
	p.a.apply(v)
	p.a.fired["planted"]++
	return string(v.Body)
}
