package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"
	"unicode/utf8"

	"tributary/connector"
)

// sound says whether a body is one that decode must accept: valid JSON in UTF-8, no
// name twice, at most depth deep, an array at data. It reads tokens, as nothing in
// the decoder does. ok is false where encoding/json cannot tell, for it shows all
// lone surrogates alike.
func sound(body []byte, depth int) (accept, ok bool) {
	if !json.Valid(body) || !utf8.Valid(body) {
		return false, true
	}
	if bytes.ContainsRune(body, utf8.RuneError) || bytes.Contains(bytes.ToLower(body), []byte(`\ud`)) || bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`)) {
		return false, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	clean, records := true, false
	var value func(level int, path string)
	value = func(level int, path string) {
		token, err := d.Token()
		if err != nil && !errors.Is(err, io.EOF) {
			clean = false
			return
		}
		open, isOpen := token.(json.Delim)
		if !isOpen {
			return
		}
		clean = clean && level <= depth
		records = records || open == '[' && path == ".data"
		names := map[string]bool{}
		for d.More() {
			below := path + "[]"
			if open == '{' {
				name, _ := d.Token()
				clean = clean && !names[name.(string)]
				names[name.(string)] = true
				below = path + "." + name.(string)
			}
			value(level+1, below)
		}
		_, _ = d.Token()
	}
	value(1, "")
	return clean && records, true
}

func FuzzDecodeAcceptsExactlyWhatIsSound(f *testing.F) {
	for _, s := range []string{
		`{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z","x":{"a":[1,{}]}}],"metadata":{"paging":{"next_page":null,"total_count":1}}}`,
		`{"data":[{"id":"a","id":"b"}]}`, `{"data":[],"data":[]}`, `{"a.b":1,".data":[]}`, `{"data":{"data":[]}}`, `{"data":[1,null,"x",[{"a":1,"a":2}]]}`,
		`{"data":[[[[[[[[]]]]]]]]}`, `[{"data":[]}]`, "{\"data\":[\"\xff\"]}", `{"data":[]} x`, `{"data":[`, ` {"data" : [ ] } `, "{\"data\":[]}\x00",
	} {
		f.Add([]byte(s))
	}
	c := plain("https://api.example.com")
	c.MaxDepth, c.Exclude, c.Deleted = 8, []string{"x.a"}, "deleted_at"
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := newPageDecoder(&c, newStamps(c.Format)).decode(body)
		if accept, ok := sound(body, c.MaxDepth); ok && accept != (err == nil) {
			t.Fatalf("%q: got %v, sound is %v", body, err, accept)
		}
		var refused *refusal
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%q: %v is no refusal", body, err)
		}
		for _, r := range p.Records {
			if !json.Valid(r.Value) || r.Bad == "" && (r.ID == "" || r.Stamp == "" || !utf8.ValidString(r.ID)) {
				t.Fatalf("%q: %+v", body, r)
			}
		}
	})
}

func FuzzAnInstantIsWrittenAndReadBack(f *testing.F) {
	for _, s := range []string{"1700000000", "-0.5", "2024-01-01T00:00:00.9999999-23:59", "9999-12-31T23:59:60Z", "0000-01-01T00:00:00+01:00", "99999999999999999999"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	formats := append(FormatNames(), "2006-01-02 15:04", "2006-01-02 15:04-07:00", "02 Jan 2006 15:04:05.000")
	zones := []*time.Location{nil, time.UTC, zone(f, "Europe/Paris"), zone(f, "Australia/Lord_Howe"), zone(f, "America/Caracas")}
	f.Fuzz(func(t *testing.T, text string, number bool) {
		for i := range len(formats) * len(zones) {
			config, format := bare(), formats[i/len(zones)]
			config.Format, config.Zone = format, zones[i%len(zones)]
			s := config.stamps()
			at, ok := s.parse([]byte(text), number)
			if !ok || at < connector.Instant(minInstant)+864e8 || at > connector.Instant(maxInstant)-864e8 {
				continue // a bound is a day wide at most
			}
			_, low, okLow := s.meantBy(s.lower(at))
			high, _, okHigh := s.meantBy(s.upper(at))
			if !okLow || !okHigh || low > at || high < at || at.Sub(low) >= 2*time.Hour || high.Sub(at) >= 2*time.Hour {
				t.Fatalf("%s in %v: %q is %v, its bounds %q and %q", format, config.Zone, text, at, s.lower(at), s.upper(at))
			}
		}
	})
}

// meantBy is meant for numbers too.
func (s stamps) meantBy(text string) (earliest, latest connector.Instant, ok bool) {
	if s.unit > 0 {
		at, ok := s.parse([]byte(text), true)
		return at, at, ok
	}
	return s.meant(text)
}

func FuzzRetryAfterIsWithinItsBounds(f *testing.F) {
	for _, s := range []string{"0", "-1", "1.5", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "Tue, 06 May 2031 07:09:42 GMT", "inf", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		after, ok := retryAfter(value, date)
		if after < 0 || after > maxAfter || !ok && after != 0 {
			t.Fatalf("%q: got %v %v", value, after, ok)
		}
	})
}
