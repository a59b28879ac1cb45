package connector

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestACursorThatWasSetBackToTheBeginningIsNoneInTheStatus: a reset ends in a new reader,
// whose collection's metrics are those of before.
func TestACursorThatWasSetBackToTheBeginningIsNoneInTheStatus(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry()).Collection("crm", "people")
	r := &Reader{m: m, mem: NewMemory(), common: &common{}}
	r.mem.State.Cursor.Instant = InstantOf(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	r.gauges()
	if at := m.Status(time.Now()).Cursor; at.IsZero() {
		t.Fatal("there is no cursor")
	}
	r.mem.State.Cursor = Cursor{Instant: Beginning}
	r.gauges()
	if at := m.Status(time.Now()).Cursor; !at.IsZero() {
		t.Errorf("the cursor is at %s", at)
	}
}
