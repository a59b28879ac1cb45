package hostile

import (
	"strconv"
	"strings"
	"time"
)

// Text that a careless reader breaks: quotes, escapes, markup, letters outside ASCII.
var (
	firstNames = []string{"Ada", "Zoë", "Jürgen", "O\u2019Neil", "Siân", "李娜", "Anne-Marie", `Bob \"Bo\"`}
	lastNames  = []string{"Lovelace", "Smith & Sons", "<Müller>", "D'Angelo", "Núñez", "van der Berg", `Tab\tChar`, "🙂"}
	cities     = []string{"Berlin", "Paris", "Atlanta", "São Paulo", "東京", "Kraków"}
	stages     = []string{"new", "contacted", "qualified", "won", "lost"}
	scores     = []string{"0", "1.50", "1e3", "-0.25", "12345678901234567890", "99.90"}
	offsets    = []time.Duration{0, -4 * time.Hour, -5 * time.Hour, 2 * time.Hour, 5*time.Hour + 30*time.Minute}
)

// stampText formats a stamp as Salesloft does, with six digits of fraction.
func stampText(t time.Time, offset time.Duration) string {
	if offset == 0 {
		return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	}
	zone := time.FixedZone("", int(offset/time.Second))
	return t.In(zone).Format("2006-01-02T15:04:05.000000-07:00")
}

// render writes the record's JSON. All that a hash is made of follows from the record
// and v.Content, so that equal contents are equal to the byte.
func render(v *Version, stamp string, size int) []byte {
	r := v.rec
	b := make([]byte, 0, max(size, 512))
	b = append(b, `{"id":`...)
	b = append(b, r.idJSON...)
	b = append(b, `,"created_at":"`...)
	b = append(b, r.created...)
	b = append(b, `","updated_at":"`...)
	b = append(b, stamp...)
	b = append(b, `","touched_at":"`...)
	b = append(b, stamp...)
	b = append(b, `","ver":`...)
	b = strconv.AppendInt(b, v.Ver, 10)
	b = appendContent(b, r, v.Content)
	b = append(b, `,"deleted_at":`...)
	if v.Deleted {
		b = append(append(append(b, '"'), stamp...), '"')
	} else {
		b = append(b, "null"...)
	}
	if pad := size - len(b) - len(`,"notes":""}`); pad > 0 {
		b = append(b, `,"notes":"`...)
		b = append(b, strings.Repeat("n", pad)...)
		b = append(b, '"')
	}
	return append(b, '}')
}

func appendContent(b []byte, r *record, content int64) []byte {
	x := mix(uint64(r.num)<<24 ^ uint64(content))
	pick := func(from []string) string {
		x = mix(x)
		return from[x%uint64(len(from))]
	}
	text := func(name, value string) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":"`...)
		b = append(b, value...)
		b = append(b, '"')
	}
	text("first_name", pick(firstNames))
	text("last_name", pick(lastNames))
	text("email_address", "p"+strconv.FormatInt(r.num, 10)+"@example.com")
	text("city", pick(cities))
	text("stage", pick(stages))
	b = append(b, `,"score":`...)
	b = append(b, pick(scores)...)
	b = append(b, `,"owner":{"id":`...)
	b = strconv.AppendUint(b, x%50, 10)
	b = append(b, `,"_href":"https://api.example.com/v2/users/`...)
	b = strconv.AppendUint(b, x%50, 10)
	b = append(b, `"},"tags":["a","b"],"revision":`...)
	return strconv.AppendInt(b, content, 10)
}
