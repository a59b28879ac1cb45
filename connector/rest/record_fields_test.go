package rest

import (
	"strings"
	"testing"

	"tributary/connector"
)

func records(t *testing.T, c Config, body string) []connector.Record {
	t.Helper()
	p, err := newPageDecoder(&c, c.stamps()).decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return p.Records
}

func TestAnIDCanBeComposed(t *testing.T) {
	t.Parallel()
	c := plain("https://api.example.com")
	c.ID, c.IDMore = "org.id", []string{"/keys/0", "name"}
	got := records(t, c, `{"data":[
		{"org":{"id":7},"keys":["a/b"],"name":"c","updated_at":"2024-01-01T00:00:00Z"},
		{"org":{"id":7},"keys":["a"],"name":"b/c~","updated_at":"2024-01-01T00:00:00Z"},
		{"org":{"id":7},"keys":["a"],"name":null,"updated_at":"2024-01-01T00:00:00Z"},
		{"org":{"id":7},"keys":[],"name":"c","updated_at":"2024-01-01T00:00:00Z"}]}`)
	for i, want := range []string{"7/a~1b/c", "7/a/b~1c~0", "", ""} {
		if got[i].ID != want || (got[i].Bad == "") != (want != "") {
			t.Errorf("got %q %q, want %q", got[i].ID, got[i].Bad, want)
		}
	}
	if !strings.Contains(got[2].Bad, "null (part 3") || !strings.Contains(got[3].Bad, "no id (part 2") {
		t.Errorf("got %q and %q", got[2].Bad, got[3].Bad)
	}
	if f := c.Fingerprint().ID; f != `["org.id","/keys/0","name"]` {
		t.Errorf("the fingerprint shows %s", f)
	}
}

// Different parts never make the same id.
func FuzzPartsOfAnIDStayApart(f *testing.F) {
	f.Add("a/b", "c", "a", "b/c")
	f.Add("~", "1", "~1", "")
	f.Add("a~1", "b", "a/", "b")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		if a == "" || c == "" {
			return // an empty part is no id
		}
		one, two := appendIDPart(appendIDPart(nil, a), b), appendIDPart(appendIDPart(nil, c), d)
		if (string(one) == string(two)) != (a == c && b == d) {
			t.Fatalf("%q %q is %s, %q %q is %s", a, b, one, c, d, two)
		}
	})
}

func TestARecordCanLieWithinItsItem(t *testing.T) {
	t.Parallel()
	c := plain("https://api.example.com")
	c.Unwrap, c.Exclude = "/edge/0", []string{"n"}
	got := records(t, c, `{"data":[
		{"cursor":"x","edge":[{"id":1,"n":1,"updated_at":"2024-01-01T00:00:00Z"}]},
		{"cursor":"y","edge":[ {"updated_at":"2024-01-01T00:00:00Z","id":1,"n":2} ]},
		{"edge":[]}, 7, {"edge":[8]}]}`)
	if string(got[0].Value) != `{"id":1,"n":1,"updated_at":"2024-01-01T00:00:00Z"}` || got[0].Hash != got[1].Hash || got[1].ID != "1" || got[1].Bad != "" {
		t.Errorf("got %+v", got[:2])
	}
	for i, want := range map[int]string{2: "no record at the path", 3: "no record at the path", 4: "not an object"} {
		if !strings.Contains(got[i].Bad, want) {
			t.Errorf("item %d: got %q", i, got[i].Bad)
		}
	}
	if _, err := newPageDecoder(&c, c.stamps()).decode([]byte(`{"data":[{"edge":[{"id":1}],"x":{"a":1,"a":2}}]}`)); err == nil {
		t.Error("two members of one name beside the record are taken")
	}
}

func TestADeletionCanBeAValue(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		equals, value string
		want          bool
	}{
		{`"deleted"`, `"deleted"`, true}, {`"deleted"`, `"d\u0065leted"`, true}, {`"deleted"`, `"open"`, false}, {`"deleted"`, `null`, false},
		{`true`, `true`, true}, {`true`, `"true"`, false}, {`false`, `false`, true}, {`3`, `3`, true}, {`3`, `"3"`, false}, {`""`, `""`, true},
	} {
		c := plain("https://api.example.com")
		c.Deleted, c.DeletedEquals = "status", x.equals
		got := records(t, c, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z","status":`+x.value+`},{"id":2,"updated_at":"2024-01-01T00:00:00Z"}]}`)
		if got[0].Deleted != x.want || got[1].Deleted {
			t.Errorf("%s is %s: got %v %v", x.value, x.equals, got[0].Deleted, got[1].Deleted)
		}
		if f := c.Fingerprint().Deletions; f != "status = "+x.equals {
			t.Errorf("the fingerprint shows %s", f)
		}
	}
}

// A state that was made before these settings existed is gone on from.
func TestTheFingerprintOfAPlainConfigIsItsPaths(t *testing.T) {
	t.Parallel()
	c := salesloftLike("https://api.example.com")
	c.Deleted = "deleted_at"
	if f := c.Fingerprint(); f.ID != "id" || f.Instant != "updated_at" || f.Deletions != "deleted_at" || f.HashVersion != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestWhatIsNotPublishedDoesNotTakeAPartOfTheID(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"org", "keys", "/keys", "name", "created_at"} {
		c := plain("https://api.example.com")
		c.ID, c.IDMore, c.InstantElse, c.Drop = "org.id", []string{"/keys/0/x", "name"}, []string{"created_at"}, []string{p}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "value.drop takes") {
			t.Errorf("%s: got %v", p, err)
		}
	}
}

func TestAPublishedRecordIsParsedWithoutWhatWasAroundIt(t *testing.T) {
	t.Parallel()
	c := plain("https://api.example.com")
	c.Unwrap = "node"
	p, err := NewRecordParser(c)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Parse("", []byte(`{"id":1,"updated_at":"2024-01-01T00:00:00Z"}`)); err != nil || r.ID != "1" || r.Bad != "" {
		t.Errorf("got %+v %v", r, err)
	}
}
