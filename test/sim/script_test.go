package sim

import (
	"fmt"
	"time"

	"tributary/test/hostile"
)

// A scenario is the life of a connector in which everything happens once: topics are made,
// a backfill of some pages, updates and deletions, a trailing pass, a clean restart, more
// updates; and rows that cannot be published come and change. A process that dies is started again half a second later.
type scenario struct {
	*world
	p *process
	// at is called between its acts, by their name.
	at func(act string)
	// mend is asked when a process has ended by itself, or a collection was stopped: nil
	// says that a new start will do. Without it that is a failure.
	mend func(why error) error
	odd  []*planted // rows that cannot be published
}

func (s *scenario) run() error {
	for i := range 20 {
		s.api.Insert("people", 1)
		if i%3 == 0 {
			s.api.Insert("accounts", 1)
		}
		time.Sleep(time.Millisecond)
	}
	s.odd = []*planted{s.plant("people", `{"updated_at":"AT","name":"of nobody"}`), s.plant("accounts", `{"id":"odd","name":"never changed"}`)}
	s.act("start")
	s.p = s.start("a")
	if err := s.pass(3 * time.Second); err != nil {
		return err
	}
	s.act("middle")
	if err := s.writes(1); err != nil {
		return err
	}
	if err := s.pass(lookback + 2*time.Second); err != nil { // a trailing pass is due
		return err
	}
	if s.p.alive() {
		if err := s.p.stop(); err != nil {
			return err
		}
	}
	s.act("restart")
	s.p = s.start("a")
	if err := s.pass(2 * time.Second); err != nil {
		return err
	}
	if err := s.writes(11); err != nil {
		return err
	}
	if err := s.pass(2 * time.Second); err != nil {
		return err
	}
	s.act("end")
	return s.end()
}

// writes changes some records of both collections, and goes on while they are read.
func (s *scenario) writes(first int) error {
	for i := range 6 {
		id := fmt.Sprint(first + i)
		s.api.Write("people", hostile.Update, id)
		switch i {
		case 1:
			s.api.Write("accounts", hostile.Update, "1", "2", "3")
		case 2:
			s.api.Write("people", hostile.Delete, fmt.Sprint(first+7))
			s.api.Write("people", hostile.Touch, fmt.Sprint(first+8))
		case 3:
			s.api.Insert("people", 10) // a tie larger than a page
		case 4:
			s.api.Write("accounts", hostile.Delete, fmt.Sprint(first%6+1))
			s.odd[0].change(fmt.Sprintf(`{"updated_at":"AT","name":"of nobody, %d"}`, first))
		case 5:
			s.odd[1].change(fmt.Sprintf(`{"id":"odd","name":"changed","revision":%d}`, first))
			s.plant("people", fmt.Sprintf(`{"id":"","updated_at":"AT","first":%d}`, first))
		}
		if err := s.pass(400 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (s *scenario) act(name string) {
	s.log.notef("--- %s", name)
	if s.at != nil {
		s.at(name)
	}
}

// pass lets time go by, and starts again what has died.
func (s *scenario) pass(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := s.p.trouble(); err != nil {
			if err := s.again(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// end runs the last process to quiet, and starts it again as often as it dies.
func (s *scenario) end() error {
	for {
		err := s.quiet(s.p)
		if err == nil {
			return s.judge()
		}
		if err := s.again(err); err != nil {
			return err
		}
	}
}

// again starts the process anew after it died, or came to an end that may be mended.
func (s *scenario) again(why error) error {
	if !s.p.killed.Load() {
		if s.mend == nil {
			return why
		}
		if err := s.mend(why); err != nil {
			return err
		}
		s.p.cancel()
		<-s.p.ended
	}
	time.Sleep(500 * time.Millisecond)
	s.p = s.start("a")
	return nil
}
