package canon

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// flat is a record of 9 members, one of them long; crm one of 61, nested.
func flat(i int) string {
	return fmt.Sprintf(`{"id":%d,"updated_at":"2024-05-01T12:%02d:00.%06d-04:00","name":"Person %d","active":true,"score":1.10,"owner":null,"count":%d,"kind":"lead","text":"%s"}`,
		1000000+i, i%60, i, i, i*7, strings.Repeat("lorem ipsum ", 50))
}

func crm(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%d,"created_at":"2024-01-01T00:00:00.000000-05:00","updated_at":"2024-05-01T12:%02d:00.%06d-04:00"`, 1000000+i, i%60, i)
	for k := range 46 {
		fmt.Fprintf(&b, `,"field_%d":`, k*37%46)
		switch k % 6 {
		case 0:
			b.WriteString("null")
		case 1:
			fmt.Fprintf(&b, `"value \u00e9 %d\n"`, i+k)
		case 2:
			fmt.Fprintf(&b, "%d.50", k)
		case 3:
			b.WriteString("false")
		default:
			fmt.Fprintf(&b, `"some text of a field %d"`, k)
		}
	}
	b.WriteString(`,"account":{"id":12345678901234567890,"_href":"https://api.example.com/v2/accounts/1"},"owner":{"id":7,"_href":"https://api.example.com/v2/users/7"},"tags":["a","b","c"],"counts":{"emails_sent":1,"emails_viewed":2,"calls":3},"custom":{"x":"1","y":"2"}}`)
	return b.String()
}

func BenchmarkRecord(b *testing.B) {
	for name, make := range map[string]func(int) string{"flat": flat, "crm": crm} {
		var records [][]byte
		for i := range 100 {
			records = append(records, []byte(make(i)))
		}
		b.Run(name+"/sum", func(b *testing.B) {
			h := NewHasher(nil, []string{"updated_at"}, []string{"id", "updated_at"}, 64)
			b.ReportAllocs()
			b.SetBytes(int64(len(records[0])))
			for i := 0; b.Loop(); i++ {
				if _, _, err := h.Sum(records[i%100], 0, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/edit", func(b *testing.B) {
			h := NewHasher(nil, []string{"updated_at"}, []string{"id", "updated_at"}, 64)
			h.Edit([]string{"name", "account._href"}, []string{"text", "custom.x"})
			var out []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(records[0])))
			for i := 0; b.Loop(); i++ {
				_, end, err := h.Sum(records[i%100], 0, 1)
				if err != nil {
					b.Fatal(err)
				}
				out = h.AppendEdited(out[:0], 0, end)
			}
		})
		b.Run(name+"/floor", func(b *testing.B) { // one SHA-256 of the raw bytes
			for i := 0; b.Loop(); i++ {
				sha256.Sum256(records[i%100])
			}
		})
	}
}
