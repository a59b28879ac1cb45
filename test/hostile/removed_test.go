package hostile

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

func TestARemovedRecordIsInTheFeedAndComesBackAsItWas(t *testing.T) {
	a, c := setup(t)
	ids := a.Insert("people", 4)
	before := get(t, a, "sort_direction=ASC").Data
	c.t = c.t.Add(time.Second)
	a.Write("people", Remove, ids[1], ids[2])
	if a.Write("people", Update, ids[1]) != 0 || a.Write("people", Restore, ids[0]) != 0 {
		t.Error("a record that is gone is updated, or one that is there restored")
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/people/deleted?per_page=1&deleted_at[gte]="+url.QueryEscape(stampText(c.t, 0)), nil))
	want := `{"data":[{"id":2,"deleted_at":"2026-01-02T03:04:06.678901Z"}],"metadata":{"paging":{"next_page":2}}}`
	if got := w.Body.String(); got != want {
		t.Errorf("got %s", got)
	}
	if n := len(get(t, a, "sort_direction=ASC").Data); n != 2 {
		t.Errorf("%d records are listed", n)
	}
	c.t = c.t.Add(time.Second)
	a.Write("people", Restore, ids[1])
	back := get(t, a, "ids[]=2").Data
	if len(back) != 1 || !back[0].UpdatedAt.Equal(before[1].UpdatedAt) || back[0].Revision != before[1].Revision || back[0].Ver != 3 {
		t.Errorf("came back as %+v, was %+v", back, before[1])
	}
}

func TestAListMayEndEarlyAndACredentialSeeLess(t *testing.T) {
	a, _ := setup(t)
	a.Insert("people", 200)
	count := func(query string) int { return len(get(t, a, "per_page=100&sort_direction=ASC&"+query).Data) }
	a.Set(Hostility{ListedShare: 0.25})
	if n, ids := count(""), count("ids[]=1&ids[]=199"); n != 50 || ids != 2 {
		t.Errorf("%d are listed, %d shown by id", n, ids)
	}
	a.Set(Hostility{SeenShare: 0.25})
	if n, ids := count(""), count("ids[]=1&ids[]=199"); n != 50 || ids != 1 {
		t.Errorf("%d are listed, %d shown by id", n, ids)
	}
	if f := a.Fired(); f["listing_cut"] == 0 || f["view_lost"] == 0 {
		t.Errorf("%v", f)
	}
}
