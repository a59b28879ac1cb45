package offsets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tributary/connector"
)

func ringOf(t *testing.T, ids ...string) *Ring {
	t.Helper()
	r := NewRing()
	for _, id := range ids {
		key := bytes.Repeat([]byte(id), SealKeySize)[:SealKeySize]
		if err := r.Add(id, key); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestWhatIsSealedOpensWithItsKeyInItsPlaceAndNowhereElse(t *testing.T) {
	token := Token{Access: "access-canary", Refresh: "refresh-canary", Life: "2h0m0s", Seed: "00"}
	s, err := ringOf(t, "k1").SealToken(token, "crm.offsets", "salesloft")
	if err != nil {
		t.Fatal(err)
	}
	flipped := s
	flipped.Text = bytes.Clone(s.Text)
	flipped.Text[len(s.Text)/2] ^= 1
	renamed := s
	renamed.Key = "k2"
	other := NewRing()
	if err := other.Add("k1", bytes.Repeat([]byte("ab"), SealKeySize/2)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		ring          *Ring
		sealed        Sealed
		topic, source string
		says          string
	}{
		{"its key", ringOf(t, "k1"), s, "crm.offsets", "salesloft", ""},
		{"its key, which seals no more", ringOf(t, "k2", "k1"), s, "crm.offsets", "salesloft", ""},
		{"no key of that name", ringOf(t, "k2"), s, "crm.offsets", "salesloft", `"k1", which is not under`},
		{"no key", nil, s, "crm.offsets", "salesloft", `"k1", which is not under`},
		{"another key of that name", other, s, "crm.offsets", "salesloft", "cannot be opened"},
		{"another topic", ringOf(t, "k1"), s, "erp.offsets", "salesloft", "cannot be opened"},
		{"another source", ringOf(t, "k1"), s, "crm.offsets", "hubspot", "cannot be opened"},
		{"a bit that was flipped", ringOf(t, "k1"), flipped, "crm.offsets", "salesloft", "cannot be opened"},
		{"another name of the key", ringOf(t, "k1", "k2"), renamed, "crm.offsets", "salesloft", "cannot be opened"},
		{"cut", ringOf(t, "k1"), Sealed{Key: "k1", Text: s.Text[:7]}, "crm.offsets", "salesloft", "cannot be opened"},
	} {
		got, err := c.ring.OpenToken(c.sealed, c.topic, c.source)
		if c.says == "" {
			if err != nil || got != token {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
			continue
		}
		var key *KeyError
		if !errors.As(err, &key) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if bytes.Contains(s.Text, []byte("canary")) {
		t.Error("what is sealed can be read")
	}
	again, err := ringOf(t, "k1").SealToken(token, "crm.offsets", "salesloft")
	if err != nil || bytes.Equal(again.Text, s.Text) {
		t.Errorf("sealed twice it is the same: %v", err)
	}
}

func TestKeysAreReadStrictly(t *testing.T) {
	key := []byte("0123456789abcdefghijklmnopqrst+/")
	key[3], key[9] = 0xfb, 0xff // so that the alphabets of base64 differ
	digits := hex.EncodeToString(key)
	for _, good := range []string{
		digits, strings.ToUpper(digits), base64.StdEncoding.EncodeToString(key), base64.RawStdEncoding.EncodeToString(key),
		base64.URLEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key),
	} {
		if got, err := ParseSealKey(good); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %x, %v", good, got, err)
		}
	}
	for _, bad := range []string{
		"", "secret", digits[1:], digits + "00", digits + "\n", " " + digits, "0x" + digits[2:],
		base64.StdEncoding.EncodeToString(key[:31]), base64.StdEncoding.EncodeToString(append(key, 1)),
		base64.StdEncoding.EncodeToString(key)[1:], strings.Repeat("A", 43), strings.Repeat("7", 64), strings.Repeat("0", 64) + "=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", // bits that belong to no byte
	} {
		if _, err := ParseSealKey(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		} else if len(bad) > 8 && strings.Contains(err.Error(), bad[1:8]) {
			t.Errorf("%q is repeated: %v", bad, err)
		}
	}
}

func TestARingDoesNotShowItsKeys(t *testing.T) {
	r := ringOf(t, "k1", "k2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, r); got != "keys k1, k2" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if r.Add("k1", make([]byte, 32)) == nil || r.Add("", make([]byte, 32)) == nil || r.Add("k3", make([]byte, 16)) == nil {
		t.Error("a key that is none was added")
	}
}

func TestAnAuthRecordIsReadBackAsItWasWritten(t *testing.T) {
	a := Auth{
		Sealed: Sealed{Key: "k1", Text: []byte{1, 2, 3}}, Expiry: 1_700_000_000_000_000, Number: 7, Instance: "host", Run: "9f", Written: 1_600_000_000_000_000,
		Intent: &Intent{Lasts: 15e9, Instance: "host", Run: "9f", Ended: true},
	}
	r := AuthRecord("t", 3, "sales\"loft", a)
	if string(r.Key) != `["v1","auth","sales\"loft"]` || r.Partition != 3 {
		t.Fatalf("key %s of partition %d", r.Key, r.Partition)
	}
	want := `{"v":1,"sealed":{"key":"k1","text":"AQID"},"expiry":"2023-11-14T22:13:20.000000Z","number":7,"instance":"host","run":"9f",` +
		`"written":"2020-09-13T12:26:40.000000Z","intent":{"lasts":"15s","instance":"host","run":"9f","ended":true}}`
	if string(r.Value) != want {
		t.Errorf("wrote %s\nwant  %s", r.Value, want)
	}
	table := NewTable()
	if err := table.Apply(r.Key, r.Value); err != nil {
		t.Fatal(err)
	}
	got := table.Auths[`sales"loft`]
	if got == nil || got.Intent == nil || *got.Intent != *a.Intent || got.Number != 7 || got.Written != a.Written || len(table.Collections) != 0 {
		t.Errorf("read %+v", got)
	}
	if err := table.Apply(r.Key, nil); err != nil || len(table.Auths) != 0 {
		t.Errorf("a forgotten record stays: %v %v", table.Auths, err)
	}
	a.Intent, a.Expiry = nil, connector.Beginning
	if got, err := decodeAuth(encodeAuth(a)); err != nil || got.Intent != nil || got.Expiry != connector.Beginning || got.Open() {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{
		`{}`, `{"v":2}`, `{"v":1}`, strings.Replace(want, "15s", "9h", 1), strings.Replace(want, "15s", "-1s", 1), strings.Replace(want, "15s", "x", 1),
		strings.Replace(want, "AQID", "", 1), strings.Replace(want, "AQID", "?", 1), strings.Replace(want, `"number"`, `"nummer"`, 1),
	} {
		if err := NewTable().Apply(r.Key, []byte(bad)); err == nil {
			t.Errorf("taken: %s", bad)
		}
	}
}
