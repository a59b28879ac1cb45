package hostile

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// serveFeed lists the removals of a collection, the oldest first: nothing but an id and
// an instant each, which can be bounded by deleted_at[gte] and deleted_at[lt]. It is
// paged as the lists are, and takes bounds and order as they do.
func (a *API) serveFeed(w http.ResponseWriter, r *http.Request, collection string, f fault) {
	from, to, ok := feedBounds(r.URL.Query())
	if !ok {
		fail(w, http.StatusUnprocessableEntity, `{"errors":{"deleted_at":["is not a valid time"]}}`)
		return
	}
	a.mu.Lock()
	now := a.settle()
	h := a.hostility
	if tick := h.BoundTick.Microseconds(); tick > 0 && from > math.MinInt64 {
		from -= from % tick
	}
	if a.chance(h.IgnoreFilter) {
		from, to = math.MinInt64, math.MaxInt64
	}
	newestFirst := a.chance(h.IgnoreOrder)
	var events []*Version
	for _, v := range a.collections[collection].history {
		if v.Gone && v.visible <= now && v.order >= from && v.order < to {
			events = append(events, v)
		}
	}
	a.fired["feed"]++
	a.mu.Unlock()
	slices.SortStableFunc(events, func(x, y *Version) int { return cmp.Compare(x.order, y.order) })
	if newestFirst {
		slices.Reverse(events)
	}
	page, size := number(r.URL.Query().Get("page"), 1, math.MaxInt32), number(r.URL.Query().Get("per_page"), 25, 100)
	if h.MaxPerPage > 0 {
		size = min(size, h.MaxPerPage)
	}
	lo := min((page-1)*size, len(events))
	hi := min(lo+size, len(events))
	next := any(nil)
	if hi < len(events) {
		next = page + 1
	}
	type event struct {
		ID        json.RawMessage `json:"id"`
		DeletedAt string          `json:"deleted_at"`
	}
	data := []event{}
	for _, v := range events[lo:hi] {
		data = append(data, event{json.RawMessage(v.rec.idJSON), stampText(v.Stamp, 0)})
	}
	body, err := json.Marshal(map[string]any{"data": data, "metadata": map[string]any{"paging": map[string]any{"next_page": next}}})
	if err != nil {
		panic(err) // maps of text and numbers always marshal
	}
	a.date(w, now)
	send(w, body, f)
}

func feedBounds(params url.Values) (from, to int64, ok bool) {
	from, to = math.MinInt64, math.MaxInt64
	for name, bound := range map[string]*int64{"deleted_at[gte]": &from, "deleted_at[lt]": &to} {
		if text := params.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return 0, 0, false
			}
			*bound = t.UnixMicro()
		}
	}
	return from, to, true
}
