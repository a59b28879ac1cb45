package sim

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"tributary/offsets"
	"tributary/test/hostile"
	"tributary/test/tokenserver"
)

// The collections of the one source, on the one lane.
var collections = []string{"people", "accounts"}

func topicOf(collection string) string { return sourceName + "." + collection }

// A world is Kafka, an API and the processes between them, in one bubble.
type world struct {
	about      string // what is tried in it
	seed       uint64
	brokers    int
	partitions int32
	slow       time.Duration // of the links of processes to come
	login      bool          // Kafka asks for a password
	// tokens is what the API asks for a token's worth; nil: it takes whoever comes.
	tokens *tokenserver.Server

	net       kfake.VirtualNetwork
	kafka     *kfake.Cluster
	epoch     int16 // of the last fence
	seeds     []string
	api       *hostile.API
	rng       *rand.Rand // of whoever runs the world
	log       *journal
	processes []*process
	runs      int
	compacted bool
	planted   []*planted

	mu     sync.Mutex
	plan   func(key int16, n int) fate // nil: everything arrives
	sent   map[int16]int               // requests to Kafka, by key
	dark   time.Time                   // nothing arrives until then
	claims []claimed
}

// age is how old no world becomes, by its own clock; stuck is by ours, and hundreds of
// times what a world takes.
const (
	age   = 2 * time.Hour
	stuck = 90 * time.Second
)

// live runs script in a new world, in a bubble of its own, and returns what went wrong. A
// bubble in which something is stuck, or left over, is wrong as well.
func live(t *testing.T, w *world, script func(*world) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\n%s", r, w.log.tail())
		}
	}()
	w.log = &journal{}
	// Time stands still in a bubble in which something turns in a circle without a pause.
	hang := time.AfterFunc(stuck, func() { panic(fmt.Sprintf("%s: a world makes no progress\n%s", w.about, w.log.tail())) })
	defer hang.Stop()
	synctest.Test(t, func(*testing.T) { err = w.run(script) })
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, w.log.tail())
	}
	return err
}

func (w *world) run(script func(*world) error) (err error) {
	// No script lasts as long as this: something turns in a circle, and nobody waits in vain.
	guard := time.AfterFunc(age, func() { panic(fmt.Sprintf("%s: a world is %s old and has not ended\n%s", w.about, age, w.log.tail())) })
	defer guard.Stop()
	w.log.began = time.Now()
	w.rng = rand.New(rand.NewPCG(w.seed, 1))
	w.sent = map[int16]int{}
	w.brokers, w.partitions = max(w.brokers, 1), max(w.partitions, 1)
	cfg := hostile.Config{Collections: collections, Seed: w.seed}
	if w.tokens != nil {
		cfg.Authorize = w.tokens.Valid
	}
	w.api = hostile.New(cfg)
	ports := make([]int, w.brokers)
	for i := range ports {
		ports[i] = 9092 + i
	}
	opts := []kfake.Opt{kfake.NumBrokers(w.brokers), kfake.Ports(ports...), kfake.ListenFn(w.net.Listen)}
	if w.login {
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", "sim", "secret"))
	}
	w.kafka, err = kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer w.kafka.Close()
	w.kafka.ControlKey(int16(kmsg.EndTxn), w.refuseFenced)
	w.seeds = w.kafka.ListenAddrs()
	// What is left of processes that died goes away before Kafka does: it cannot speak,
	// but it takes its time to see that.
	defer func() {
		for _, p := range w.processes {
			p.kill()
		}
		for _, p := range w.processes {
			<-p.ended
		}
	}()
	return script(w)
}

// fenced notes the epoch of a fence.
func (w *world) fenced(epoch int16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch = max(w.epoch, epoch)
}

// refuseFenced answers an EndTxn of an epoch from before a fence as a real coordinator does,
// which raises the epoch twice when it fences an open transaction. kfake raises it once,
// takes the zombie's abort for the second try of the one that the fence made, and gives it
// its successor's epoch: then both write as one producer.
func (w *world) refuseFenced(kreq kmsg.Request) (kmsg.Response, error, bool) {
	w.kafka.KeepControl()
	req := kreq.(*kmsg.EndTxnRequest)
	w.mu.Lock()
	stale := req.TransactionalID == offsets.TransactionalID(offsetsTopic, 0) && req.ProducerEpoch < w.epoch
	w.mu.Unlock()
	if !stale {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ErrorCode = kerr.ProducerFenced.Code
	return resp, nil, true
}

// decide numbers a request to Kafka, and asks the plan what happens to it.
func (w *world) decide(key int16) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Now().Before(w.dark) {
		return dropped
	}
	w.sent[key]++
	if w.plan == nil {
		return arrives
	}
	f := w.plan(key, w.sent[key])
	if f == outage || f == blackout {
		w.dark = time.Now().Add(transactionTimeout + 2*time.Second)
	}
	switch f {
	case outage:
		return unheard
	case blackout:
		return dropped
	default:
		return f
	}
}

func (w *world) setPlan(plan func(key int16, n int) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan = plan
}

func (w *world) claim(c claimed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claims = append(w.claims, c)
}

// client returns a client that no link holds up.
func (w *world) client(opts ...kgo.Opt) (*kgo.Client, error) {
	opts = append(opts, kgo.SeedBrokers(w.seeds...), kgo.MetadataMinAge(50*time.Millisecond), kgo.DisableClientMetrics())
	return kgo.NewClient(append(opts, w.reach(w.net.DialContext)...)...)
}

// reach says how clients get to Kafka.
func (w *world) reach(dial func(ctx context.Context, network, address string) (net.Conn, error)) []kgo.Opt {
	opts := []kgo.Opt{kgo.Dialer(dial)}
	if w.login {
		opts = append(opts, kgo.SASL(plain.Auth{User: "sim", Pass: "secret"}.AsMechanism()))
	}
	return opts
}

// patience is how long a process may take to catch up when nothing is wrong any more: it
// may wait for a topic that refused records for a minute, or for an API for as long.
const patience = 5 * time.Minute

// quiet lets a process catch up, and then read for so long that nothing is left for it to
// find: trailing passes and doubts look a lookback back. It ends as SIGTERM ends it.
func (w *world) quiet(p *process) error {
	for range 2 {
		if err := w.caughtUp(p); err != nil {
			return err
		}
		time.Sleep(2*lookback + time.Second)
	}
	if err := w.caughtUp(p); err != nil {
		return err
	}
	return p.stop()
}

// caughtUp waits until every collection's head reading has come to its end twice: the
// second began after the call.
func (w *world) caughtUp(p *process) error {
	p.mu.Lock()
	clear(p.caught)
	p.mu.Unlock()
	for began := time.Now(); ; time.Sleep(interval) {
		if err := p.trouble(); err != nil {
			return err
		}
		p.mu.Lock()
		done := 0
		for _, c := range collections {
			if p.caught[c] >= 2 {
				done++
			}
		}
		state := fmt.Sprint(p.caught)
		p.mu.Unlock()
		if done == len(collections) {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("process %s has not caught up for %s: it did %s", p.run, patience, state)
		}
	}
}

// finish runs one process to quiet and judges.
func (w *world) finish(name string) error {
	if err := w.quiet(w.start(name)); err != nil {
		return err
	}
	return w.judge()
}

// A journal holds what everybody logged, in virtual time, and tells the end of it.
type journal struct {
	began time.Time
	mu    sync.Mutex
	buf   bytes.Buffer
}

const journalBytes = 256 << 10

func (j *journal) of(run string) slog.Handler {
	return slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String("at", a.Value.Time().Sub(j.began).Round(time.Millisecond).String())
		}
		return a
	}}).WithAttrs([]slog.Attr{slog.String("run", run)})
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.buf.Len() > journalBytes {
		j.buf.Next(journalBytes / 2)
	}
	return j.buf.Write(b)
}

func (j *journal) notef(format string, args ...any) {
	fmt.Fprintf(j, "at=%s "+format+"\n", append([]any{time.Since(j.began).Round(time.Millisecond)}, args...)...)
}

// count says how often something was said.
func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Count(j.buf.Bytes(), []byte(what))
}

// tail returns the last lines.
func (j *journal) tail() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := strings.Split(j.buf.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-*tell):], "\n")
}

// bounded is a context for whoever looks at Kafka when nothing is wrong with it any more.
func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
