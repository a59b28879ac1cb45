package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// TestTheJudgeSeesWhatIsWrong gives the judge a right world, and then one that is wrong in
// one way. (What the oracle sees is tested with it.)
func TestTheJudgeSeesWhatIsWrong(t *testing.T) {
	said := time.Unix(1000, 0)
	hash := connector.Hash{7}
	type evidence struct {
		state   *offsets.Collection
		records []*kgo.Record
		claims  []claimed
	}
	record := func(key, batch string, at time.Time, hash connector.Hash) *kgo.Record {
		return &kgo.Record{Key: []byte(key), Value: []byte("{}"), Timestamp: at, Headers: []kgo.RecordHeader{
			{Key: "tributary_batch", Value: []byte(batch)}, {Key: "tributary_hash", Value: fmt.Appendf(nil, "1.%s", hash)},
		}}
	}
	for name, c := range map[string]struct {
		spoil func(*evidence)
		says  string
	}{
		"nothing":                           {func(*evidence) {}, ""},
		"a record is lost":                  {func(e *evidence) { e.records = e.records[:1] }, "was said to be committed, and 1 are there"},
		"the ledger lacks a record":         {func(e *evidence) { e.state.Memory.Ledger.Drop("2"); e.state.Adopt() }, "the fold of the topic has 2 live records and the ledger 1"},
		"the ledger holds another version":  {func(e *evidence) { e.state.Memory.Ledger.Put("2", connector.Entry{Print: 1}); e.state.Adopt() }, `record 2 is "1.07`},
		"the mark of a live record":         {func(e *evidence) { e.state.Memory.Ledger.Put("2", connector.Entry{Mark: true}); e.state.Adopt() }, "the mark of its deletion"},
		"the sum is another":                {func(e *evidence) { e.state.Sum = offsets.Sum{} }, "adds up to"},
		"the state is behind":               {func(e *evidence) { e.state.Memory.State.Seq = 2 }, "batch 3 is in the topic and the state says 2"},
		"there is no state":                 {func(e *evidence) { e.state = nil }, "no state"},
		"a doubt is left":                   {func(e *evidence) { e.state.Memory.Doubts["1"] = connector.Doubt{}; e.state.Adopt() }, "1 doubts are left"},
		"a batch was said too early":        {func(e *evidence) { e.claims[0].at = said.Add(-time.Minute) }, "and was produced at"},
		"a batch was said and never was":    {func(e *evidence) { e.claims[0].seq = 9 }, "batch 9 of 2 records was said to be committed, and 0 are there"},
		"a batch is there twice":            {func(e *evidence) { e.records = append(e.records, e.records...) }, "and 4 are there"},
		"a batch is there again, and later": {func(e *evidence) { e.records[1].Timestamp = said.Add(time.Second) }, "and was produced at"},
	} {
		t.Run(name, func(t *testing.T) {
			e := evidence{
				state:   &offsets.Collection{Name: offsets.Name{Source: sourceName, Collection: "people"}, Memory: connector.NewMemory(), Known: true},
				records: []*kgo.Record{record("1", "3.0.2", said, hash), record("2", "3.1.2", said, hash)},
				claims:  []claimed{{topic: topicOf("people"), seq: 3, n: 2, at: said}},
			}
			e.state.Memory.State.Seq = 3
			for _, id := range []string{"1", "2"} {
				e.state.Memory.Ledger.Put(id, connector.Entry{Instant: 1, Print: 1, Hash: hash})
			}
			e.state.Adopt()
			c.spoil(&e)
			w := &world{claims: e.claims}
			wrong := fmt.Sprint(append(judgeState(e.state, "people", e.records), w.judgeClaims(topicOf("people"), e.records)...))
			if c.says == "" && wrong != "[]" || !strings.Contains(wrong, c.says) {
				t.Errorf("got %s, want %q", wrong, c.says)
			}
		})
	}
}
