package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// An op is one step of a schedule, drawn before its world begins: n and m mean what the
// op makes of them. All of it follows from the code.
type op struct {
	code uint32
	name string
	n, m int
}

func opOf(code uint32) op {
	r := rand.New(rand.NewPCG(uint64(code), 0))
	return op{code, names[r.IntN(len(names))], r.IntN(1000), r.IntN(1000)}
}

func (o op) String() string { return fmt.Sprintf("%s(%d,%d)", o.name, o.n, o.m) }

// An action is what a schedule may do. fired says whether it did anything: a process can
// only be killed where one lives.
type action struct {
	weight int
	do     func(s *schedule, n, m int) (fired bool)
}

var actions = map[string]action{
	"start":              {10, (*schedule).startOne},
	"kill":               {3, (*schedule).killOne},
	"freeze":             {2, (*schedule).freezeOne},
	"wake":               {4, (*schedule).wakeOne},
	"stop":               {2, (*schedule).stopOne},
	"slow network":       {1, (*schedule).slowOne},
	"cut connections":    {1, (*schedule).cutOne},
	"write":              {10, (*schedule).write},
	"write on":           {4, (*schedule).writeOn},
	"odd row":            {2, (*schedule).oddRow},
	"wait":               {8, (*schedule).wait},
	"wait long":          {1, (*schedule).waitLong},
	"compact":            {2, (*schedule).compact},
	"coordinators move":  {1, (*schedule).coordinatorsMove},
	"leader moves":       {1, (*schedule).leaderMoves},
	"api turns nasty":    {1, (*schedule).apiTurnsNasty},
	"api calms down":     {1, (*schedule).apiCalmsDown},
	"broker answers":     {3, (*schedule).brokerAnswers},
	"reply lost":         {3, (*schedule).replyLost},
	"request lost":       {1, (*schedule).requestLost},
	"dies at a request":  {2, (*schedule).diesAtRequest},
	"dies with a reply":  {2, (*schedule).diesWithReply},
	"outage":             {1, (*schedule).outage},
	"blackout":           {1, (*schedule).blackout},
	"stranger's records": {1, (*schedule).stranger},
}

// names of the actions, each as often as it weighs, in an order that does not change.
var names = func() (all []string) {
	for _, name := range sorted(actions) {
		for range actions[name].weight {
			all = append(all, name)
		}
	}
	return all
}()

// anyOps draws the code of each op bit by bit: rapid prefers small numbers, and would
// mostly do the same.
var anyOps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
	code := uint32(0)
	for range 20 {
		code <<= 1
		if rapid.Bool().Draw(t, "bit") {
			code |= 1
		}
	}
	return opOf(code)
}), 12, 40)

// encode writes a schedule as the flag -replay takes it.
func encode(seed uint64, ops []op) string {
	text := strconv.FormatUint(seed, 16)
	for _, o := range ops {
		text += "." + strconv.FormatUint(uint64(o.code), 16)
	}
	return text
}

func decode(text string) (seed uint64, ops []op, err error) {
	for i, part := range strings.Split(text, ".") {
		n, err := strconv.ParseUint(part, 16, 64)
		if err != nil {
			return 0, nil, fmt.Errorf("schedule %q: %w", text, err)
		}
		if i == 0 {
			seed = n
		} else {
			ops = append(ops, opOf(uint32(n)))
		}
	}
	return seed, ops, nil
}

// pick returns the nth of those processes that fit.
func (s *schedule) pick(n int, fits func(*process) bool) *process {
	var fit []*process
	for _, p := range s.processes {
		if p.alive() && fits(p) {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[n%len(fit)]
}

func anyone(*process) bool  { return true }
func awake(p *process) bool { return !p.link.frozen() }

// most is how many processes run at once.
const most = 3

// startOne starts a process, every third time under another name.
func (s *schedule) startOne(n, m int) bool {
	living := 0
	for _, p := range s.processes {
		if p.alive() {
			living++
		}
	}
	if living >= most {
		return false
	}
	s.slow = 0
	if m%2 == 1 { // then it takes a while to acquire its lane, and others go on meanwhile
		s.slow = time.Duration(m) * 100 * time.Microsecond
	}
	s.start([]string{"a", "a", "b"}[n%3])
	return true
}

func (s *schedule) killOne(n, _ int) bool {
	p := s.pick(n, anyone)
	if p == nil {
		return false
	}
	p.kill()
	return true
}

func (s *schedule) freezeOne(n, _ int) bool {
	p := s.pick(n, awake)
	if p == nil {
		return false
	}
	p.log.Info("process freezes")
	p.link.freeze()
	return true
}

// wakeOne wakes a process up. What it was about to say is heard now, also if it has ended
// or given up meanwhile.
func (s *schedule) wakeOne(n, _ int) bool {
	var asleep []*process
	for _, p := range s.processes {
		if p.link.frozen() {
			asleep = append(asleep, p)
		}
	}
	if len(asleep) == 0 {
		return false
	}
	p := asleep[n%len(asleep)]
	p.log.Info("process wakes up")
	p.link.wake()
	return true
}

// stopOne tells a process to end, and does not wait until it has.
func (s *schedule) stopOne(n, _ int) bool {
	p := s.pick(n, anyone)
	if p == nil {
		return false
	}
	p.log.Info("process is told to stop")
	p.cancel()
	return true
}

func (s *schedule) slowOne(n, m int) bool {
	p := s.pick(n, anyone)
	if p == nil {
		return false
	}
	p.link.setSlow(time.Duration(m) * time.Millisecond)
	return true
}

func (s *schedule) cutOne(n, _ int) bool {
	p := s.pick(n, awake)
	if p == nil {
		return false
	}
	p.link.cutAll()
	return true
}

func (s *schedule) write(n, _ int) bool {
	for range 1 + n%5 {
		s.writer.Step()
	}
	return true
}

// writeOn writes for a while, a few milliseconds apart: whatever happens in between meets
// processes that have something to commit.
func (s *schedule) writeOn(n, m int) bool {
	for range 5 + n%30 {
		s.writer.Step()
		time.Sleep(time.Duration(1+m%60) * time.Millisecond)
	}
	return true
}

// wait lets time pass, and now and then somebody writes.
func (s *schedule) wait(n, m int) bool {
	end := time.Now().Add(time.Duration(1+n*n/250) * time.Millisecond)
	for ; time.Now().Before(end); time.Sleep(time.Duration(50+m) * time.Millisecond) {
		s.writer.Step()
	}
	return true
}

// waitLong waits beyond the timeout of a transaction.
func (s *schedule) waitLong(n, _ int) bool {
	time.Sleep(transactionTimeout + time.Duration(n)*10*time.Millisecond)
	return true
}
