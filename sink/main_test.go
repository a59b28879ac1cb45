package sink

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine outlives its owner: a lane is acquired again many times in a process.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
