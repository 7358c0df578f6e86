package mongo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// defaultStreams is how many collections are copied at a time when the
// request does not say.
const defaultStreams = 2

// mover does one request.
type job struct {
	req      mover.Request
	source   *server // nil where the source was given
	target   *server
	token    string
	progress *mover.Reporter
	// given is a source that was written down before; nil asks the server.
	given *recorded
}

// Run does one operation and returns its result. Every operation can be cut
// off at any point and run again. Errors are *reconcile.MoverError.
func Run(ctx context.Context, req mover.Request, progress mover.Progress) (any, error) {
	m, err := newJob(req, progress)
	if err != nil {
		return nil, err
	}
	defer m.close(ctx)
	result, err := m.run(ctx)
	if err != nil {
		return nil, classify("", err)
	}
	return result, nil
}

func newJob(req mover.Request, progress mover.Progress) (*job, error) {
	token := make([]byte, 8)
	if _, err := rand.Read(token); err != nil {
		return nil, fail("", mover.CodeFailed, fmt.Errorf("make holder's token: %w", err))
	}
	if req.Streams <= 0 {
		req.Streams = defaultStreams
	}
	m := &job{req: req, token: hex.EncodeToString(token), progress: mover.NewReporter(progress, time.Now)}
	needs := map[mover.Operation][2]bool{
		mover.OpFence: {true, false}, mover.OpUnfence: {true, false}, mover.OpCopy: {true, true},
		mover.OpProve: {true, true}, mover.OpCommit: {true, true},
		mover.OpInspect: {false, false}, mover.OpWithdraw: {true, true}, mover.OpRead: {true, false},
		mover.OpReach: {false, true},
	}
	need, known := needs[req.Operation]
	if !known {
		return nil, failf("", mover.CodeFailed, "operation %q is none of MongoDB's", req.Operation)
	}
	var err error
	if req.Source != nil || need[0] {
		if m.source, err = newServer(sourceSide, req.Source, m.label()); err != nil {
			return nil, err
		}
	}
	if req.Target != nil || need[1] {
		if m.target, err = newServer(targetSide, req.Target, m.label()); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// label is the name our connections give the server; a newer mover knows an
// older one's by it.
func (m *job) label() string { return appPrefix + "/" + m.token }

func (m *job) close(ctx context.Context) {
	for _, s := range []*server{m.source, m.target} {
		if s != nil {
			s.close(ctx)
		}
	}
}

func (m *job) run(ctx context.Context) (any, error) {
	switch m.req.Operation {
	case mover.OpInspect:
		return m.inspect(ctx), nil
	case mover.OpReach:
		return m.reach(ctx), nil
	case mover.OpFence:
		return m.fence(ctx)
	case mover.OpUnfence:
		return m.unfence(ctx)
	case mover.OpCopy:
		return m.copy(ctx)
	case mover.OpRead:
		return m.readWhole(ctx)
	case mover.OpProve:
		return m.prove(ctx)
	case mover.OpCommit:
		return struct{}{}, m.commit(ctx)
	default: // reconcile.OpWithdraw: newMover knows no other
		return struct{}{}, m.withdraw(ctx)
	}
}
