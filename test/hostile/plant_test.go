package hostile

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAPlantIsShownAmongTheRecordsAndIsNoneOfThem(t *testing.T) {
	a := New(Config{})
	a.Insert("people", 1)
	p := a.Plant("people", `{"updated_at":"AT","odd":1}`)
	a.Insert("people", 1)
	page := shown(a, "/v2/people?sort_by=updated_at&sort_direction=ASC&include_paging_counts=true")
	first, second, third := strings.Index(page, `"id":1,`), strings.Index(page, `"odd":1`), strings.Index(page, `"id":2,`)
	if first < 0 || second < first || third < second || !strings.Contains(page, `"total_count":3`) || strings.Contains(page, `"AT"`) {
		t.Errorf("it is not shown at its place: %s", page)
	}
	body := p.Change(`{"updated_at":"AT","odd":2}`)
	if page = shown(a, "/v2/people?sort_by=updated_at&sort_direction=ASC"); !strings.Contains(page, body) || strings.Contains(page, `"odd":1`) || p.Body() != body {
		t.Errorf("it is not shown as changed to %s: %s", body, page)
	}
	if len(a.Truth("people")) != 2 || len(a.History("people")) != 2 || a.Fired()["planted"] != 2 {
		t.Errorf("it is taken for a record: %v", a.Truth("people"))
	}
}

func shown(a *API, address string) string {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", address, nil))
	return w.Body.String()
}
