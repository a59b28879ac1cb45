//go:build unix

package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// waitReady returns when both listeners accept connections and the broker is a member
// of its cluster, or the process has ended.
func (b *Broker) waitReady(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.InternalAddr()))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for {
		last := b.probe(ctx, adm)
		if last == nil {
			return nil
		}
		if b.proc.Ended() {
			return errors.New("the broker ended")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the broker does not answer: %w", last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (b *Broker) probe(ctx context.Context, adm *kadm.Client) error {
	// Dialled first: it fails at once where the client would back off for longer.
	for _, a := range []string{b.InternalAddr(), b.Addr()} {
		conn, err := net.DialTimeout("tcp", a, time.Second)
		if err != nil {
			return err
		}
		conn.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	m, err := adm.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if len(m.Brokers) == 0 || m.Controller < 0 {
		return errors.New("the broker has not joined its cluster")
	}
	return nil
}
