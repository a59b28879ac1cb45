package hostile

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP answers GET /v2/<collection>, /v2/<collection>/<id> and, with the removals
// of it, /v2/<collection>/deleted; with or without ".json" at the end.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	now := a.now()
	a.date(w, now)
	granted := a.charge(w, r, now)
	h, f := a.hostility, fault{}
	if granted {
		f = a.drawFault()
	}
	delay := time.Duration(a.upTo(h.Latency)) * time.Microsecond
	a.mu.Unlock()
	if !granted { // as Salesloft: without a Retry-After
		fail(w, http.StatusTooManyRequests, `{"error":"API rate limit exceeded"}`)
		return
	}
	// Half of the delay comes before the snapshot and half behind it: writes fall
	// into both.
	sleep(r, delay/2)
	if f.early {
		a.refuse(w, r, f, h)
		return
	}
	if !a.authorized(r.Header.Get("Authorization")) {
		fail(w, http.StatusUnauthorized, `{"error":"No Bearer Token attached or the token is not valid"}`)
		return
	}
	if r.Method != http.MethodGet {
		fail(w, http.StatusMethodNotAllowed, `{"error":"method not allowed"}`)
		return
	}
	collection, id, ok := route(r.URL.Path)
	if !ok || !a.has(collection) {
		fail(w, http.StatusNotFound, `{"error":"Not Found"}`)
		return
	}
	if id == "deleted" {
		a.serveFeed(w, r, collection, f)
		return
	}
	if id != "" {
		a.serveOne(w, r, collection, id, f)
		return
	}
	a.serveList(w, r, collection, f, delay/2)
}

func (a *API) authorized(header string) bool {
	token, bearer := strings.CutPrefix(header, "Bearer ")
	if a.cfg.Authorize != nil {
		return bearer && a.cfg.Authorize(token)
	}
	return a.cfg.Token == "" || bearer && token == a.cfg.Token
}

// route parts a path into collection and id.
func route(path string) (collection, id string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	collection, id, _ = strings.Cut(strings.TrimSuffix(rest, ".json"), "/")
	return collection, id, ok && collection != ""
}

func (a *API) has(collection string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.collections[collection] != nil
}

// date sets the Date header, in whole seconds of the API's own clock.
func (a *API) date(w http.ResponseWriter, us int64) {
	w.Header().Set("Date", micro(us).Format(http.TimeFormat))
}

func (a *API) serveList(w http.ResponseWriter, r *http.Request, collection string, f fault, after time.Duration) {
	a.mu.Lock()
	tick := a.hostility.BoundTick
	a.mu.Unlock()
	q, bad := parseQuery(collection, r.URL.Query(), tick)
	if bad != nil {
		body, err := json.Marshal(map[string]any{"errors": map[string][]string{bad.param: {bad.why}}})
		if err != nil {
			panic(err) // maps of text always marshal
		}
		fail(w, http.StatusUnprocessableEntity, string(body))
		return
	}
	a.mu.Lock()
	ans, v := a.look(q)
	a.mu.Unlock()
	shuffled := v.fill(&ans)
	body := ans.body()
	a.date(w, ans.date)
	w.Header().Set("X-Ratelimit-Endpoint-Cost", strconv.Itoa(cost(q.page)))
	a.note(&ans, r.URL.RawQuery, f.name, shuffled)
	sleep(r, after)
	send(w, body, f)
}

// serveOne answers for one record, by the same snapshot as a probe for it.
func (a *API) serveOne(w http.ResponseWriter, r *http.Request, collection, id string, f fault) {
	a.mu.Lock()
	ans, v := a.look(query{collection: collection, ids: []string{id}, byIDs: true, page: 1, perPage: 1, to: 1<<63 - 1, from: -1 << 63})
	a.mu.Unlock()
	v.fill(&ans)
	a.date(w, ans.date)
	if len(ans.rows) == 0 {
		fail(w, http.StatusNotFound, `{"error":"Not Found"}`)
		return
	}
	a.note(&ans, "id="+id, f.name, false)
	send(w, append(append([]byte(`{"data":`), ans.rows[0].Body...), '}'), f)
}

// cost is Salesloft's price of a page: deep ones are dear.
func cost(page int) int {
	switch {
	case page > 500:
		return 30
	case page > 250:
		return 10
	case page > 150:
		return 8
	case page > 100:
		return 3
	default:
		return 1
	}
}
