package reconcile

import (
	"slices"
	"testing"
)

// turns runs functions side by side and yet one at a time, so that a history
// is the same each time it is played: whoever makes a call of the outside may
// have to let another go first.
type turns struct {
	// order says who of those that wait goes on next, as a step from the one
	// that just had its turn; it is read round and round, and empty is 1, 1, ….
	order []int
	at    int
	// yield is of the function whose turn it is, nil outside of together.
	yield func()
}

// runner is one of the functions.
type runner struct {
	turn chan bool // its turn comes; false when it shall die with the others
	back chan any  // it yields (yielded{}), ends (nil) or panics
}

type yielded struct{}

// together is Providers.Together. A kill in one function kills the others at
// their next call, like the one process that all of them are.
func (s *turns) together(all ...func()) {
	if s.yield != nil {
		panic("together inside of together")
	}
	defer func() { s.yield = nil }()
	var waiting []*runner
	for _, f := range all {
		r := &runner{turn: make(chan bool), back: make(chan any)}
		waiting = append(waiting, r)
		go r.run(f)
	}
	var cause any
	for now := 0; len(waiting) > 0; {
		now %= len(waiting)
		r := waiting[now]
		s.yield = func() {
			r.back <- yielded{}
			if !<-r.turn {
				panic(killed{"with the others"})
			}
		}
		r.turn <- cause == nil
		switch v := (<-r.back).(type) {
		case yielded:
			now += s.next()
		default:
			if cause == nil {
				cause = v
			}
			waiting = slices.Delete(waiting, now, now+1)
		}
	}
	if cause != nil {
		panic(cause)
	}
}

func (r *runner) run(f func()) {
	var out any
	defer func() {
		if v := recover(); v != nil {
			out = v
		}
		r.back <- out
	}()
	if <-r.turn {
		f()
	}
}

func (s *turns) next() int {
	if len(s.order) == 0 {
		return 1
	}
	s.at++
	return s.order[s.at%len(s.order)]
}

// pass lets another function go first where several run. The engine's records
// are written under its own lock: nobody else could go on there.
func (s *turns) pass(name string) {
	if s.yield != nil && name != "Read" && name != "Write" {
		s.yield()
	}
}

func TestTurnsAreTakenInTheOrderGiven(t *testing.T) {
	play := func(order []int) (out string) {
		s := &turns{order: order}
		say := func(letters string) func() {
			return func() {
				for _, l := range letters {
					s.pass("call")
					out += string(l)
				}
			}
		}
		s.together(say("abc"), say("123"), say("x"))
		return out
	}
	for _, c := range []struct {
		order []int
		want  string
	}{{nil, "a1xb2c3"}, {[]int{0}, "abc123x"}, {[]int{0, 2}, play([]int{0, 2})}} {
		if got := play(c.order); got != c.want {
			t.Errorf("order %v: %s, want %s", c.order, got, c.want)
		}
	}
}

func TestAKilledProcessDiesWhole(t *testing.T) {
	s, after := &turns{}, 0
	defer func() {
		if v := recover(); v != (killed{"here"}) || after != 0 {
			t.Errorf("recovered %v, %d calls after the kill", v, after)
		}
	}()
	s.together(
		func() { s.pass("call"); panic(killed{"here"}) },
		func() { s.pass("call"); s.pass("call"); after++ },
	)
}
