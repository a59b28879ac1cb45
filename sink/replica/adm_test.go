package replica

import (
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func admin(cl *kgo.Client) *kadm.Client { return kadm.NewClient(cl) }

type admOffsets struct{ o kadm.Offsets }

func (a *admOffsets) add(topic string, partition int32, at int64) {
	if a.o == nil {
		a.o = kadm.Offsets{}
	}
	a.o.AddOffset(topic, partition, at, -1)
}
