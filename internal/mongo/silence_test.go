package mongo

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// undoing is what makes an operation have all its work to do again: cut off, it
// may have done a part of it.
var undoing = map[mover.Operation]mover.Operation{
	mover.OpFence: mover.OpUnfence, mover.OpUnfence: mover.OpFence,
	mover.OpCommit: mover.OpWithdraw, mover.OpWithdraw: mover.OpCommit,
}

// hush is one command of one side of an operation to which no answer comes.
type hush struct {
	side, command string
}

// TestNoCallIsWithoutALimit: a whole move is made once, to learn which commands
// there are; then each operation is made again for each of them, with a server
// that says nothing to that command and keeps the connection.
func TestNoCallIsWithoutALimit(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	whole := p.request("")
	proxies := map[string]*proxy{}
	proxies[sourceSide], whole.Source = newProxy(t, whole.Source)
	proxies[targetSide], whole.Target = newProxy(t, whole.Target)
	order := []mover.Operation{mover.OpFence, mover.OpCopy, mover.OpProve, mover.OpCommit, mover.OpWithdraw, mover.OpUnfence}
	handshake := []string{"isMaster", "saslStart", "saslContinue", "buildInfo"}
	request := func(op mover.Operation) mover.Request {
		req := whole
		req.Operation = op
		return req
	}
	commands := map[mover.Operation][]hush{}
	for _, op := range order {
		run[any](t, request(op))
		for _, side := range []string{sourceSide, targetSide} {
			for _, name := range proxies[side].commands() {
				// Taking leave waits for nothing, and every operation shakes hands alike.
				if name != "" && name != "endSessions" && (op == mover.OpCopy || !slices.Contains(handshake, name)) {
					commands[op] = append(commands[op], hush{side, name})
				}
			}
		}
	}
	calls, reached := 0, 0
	for _, op := range order {
		for _, h := range commands[op] {
			calls++
			t.Run(fmt.Sprintf("%s %s %s", op, h.side, h.command), func(t *testing.T) {
				came := ends(t, request(op), proxies[h.side], h, func() {
					if before, ok := undoing[op]; ok {
						run[any](t, request(before))
					}
				})
				if came {
					reached++
				}
			})
		}
		run[any](t, request(op))
	}
	if calls < 60 || reached < calls*9/10 {
		t.Errorf("%d calls were tried, and %d came as far: %v", calls, reached, commands)
	}
}

// ends runs an operation while a server says nothing to one command, wants it
// to end by itself, and tells whether that command came. On a machine that is
// busy another limit may come first; then it has more time.
func ends(t *testing.T, req mover.Request, through *proxy, h hush, prepare func()) bool {
	t.Helper()
	defer through.set(nil, "")
	for wait := 200 * time.Millisecond; wait < 20*time.Second; wait *= 3 {
		prepare()
		through.commands()
		through.set(nil, h.command)
		ended := make(chan error, 1)
		go func() {
			_, err := runWithin(t.Context(), req, limits{connect: wait, answer: wait, batch: wait, work: wait, rate: 1 << 40, majority: wait, trial: wait})
			ended <- err
		}()
		var err error
		select {
		case err = <-ended:
		case <-time.After(3 * time.Minute):
			t.Fatal("it waits for ever")
		}
		through.set(nil, "")
		var known *mover.Error
		if err != nil && !errors.As(err, &known) {
			t.Errorf("ended with %v", err)
		}
		for _, name := range through.commands() {
			if name == h.command {
				return true
			}
		}
	}
	t.Log("another limit came first each time")
	return false
}
