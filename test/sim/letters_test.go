package sim

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
	"tributary/test/hostile"
)

// letterTopic is the dead letter queue that both collections share.
const letterTopic = "crm.dlq"

// A planted row is one that cannot be published, with every body that it ever had.
type planted struct {
	*hostile.Plant
	bodies []string
}

func (w *world) plant(collection, body string) *planted {
	p := &planted{Plant: w.api.Plant(collection, body)}
	p.bodies = []string{p.Body()}
	w.planted = append(w.planted, p)
	return p
}

func (p *planted) change(body string) { p.bodies = append(p.bodies, p.Change(body)) }

// oddRow shows a row that cannot be published, or changes one.
func (s *schedule) oddRow(n, m int) bool {
	body := fmt.Sprintf(`{"updated_at":"AT","n":%d,"m":%d,"nth":%d}`, n, m, len(s.planted))
	if n%2 == 0 && len(s.planted) > 0 {
		p := s.planted[m%len(s.planted)]
		p.change(fmt.Sprintf(`{"id":null,"updated_at":"AT","n":%d,"m":%d,"nth":%d}`, n, m, len(p.bodies)))
	} else {
		s.plant(collections[m%2], body)
	}
	return true
}

// judgeLetters says what is wrong with the dead letter queue: each row's last body is there
// once, each that it had before at most once, and nothing else.
func (w *world) judgeLetters(ctx context.Context, cl *kgo.Client, table *offsets.Table) (wrong []error) {
	if len(w.planted) == 0 {
		return nil
	}
	records, err := readAll(ctx, cl, letterTopic, 1)
	if err != nil {
		return []error{err}
	}
	times := map[string]int{}
	for _, r := range records {
		times[string(r.Value)]++
		seq, _, _ := batchOf(r)
		for _, c := range collections {
			state := table.Collections[offsets.Name{Source: sourceName, Collection: c}]
			if header(r, "ce_source") == "/"+sourceName+"/"+c && (state == nil || seq > state.Memory.State.Seq) {
				wrong = append(wrong, fmt.Errorf("a dead letter of %s is of batch %d, which was not committed", c, seq))
			}
		}
	}
	for _, p := range w.planted {
		for i, body := range p.bodies {
			if n := times[body]; n > 1 || n == 0 && i == len(p.bodies)-1 {
				wrong = append(wrong, fmt.Errorf("dead letter %s is there %d times", body, n))
			}
			delete(times, body)
		}
	}
	for body := range times {
		wrong = append(wrong, fmt.Errorf("dead letter %s is of no row", body))
	}
	slices.SortFunc(wrong, func(a, b error) int { return len(a.Error()) - len(b.Error()) })
	return wrong
}
