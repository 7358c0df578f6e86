package mongo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// defaultStreams is how many collections are copied at a time when the
// request does not say.
const defaultStreams = 2

// mover does one request.
type job struct {
	req      reconcile.MoverRequest
	source   *server
	target   *server
	token    string
	progress *reconcile.Reporter
}

// Run does one operation and returns its result. Every operation can be cut
// off at any point and run again. Errors are *reconcile.MoverError.
func Run(ctx context.Context, req reconcile.MoverRequest, progress reconcile.Progress) (any, error) {
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

func newJob(req reconcile.MoverRequest, progress reconcile.Progress) (*job, error) {
	token := make([]byte, 8)
	if _, err := rand.Read(token); err != nil {
		return nil, fail("", reconcile.CodeFailed, fmt.Errorf("make holder's token: %w", err))
	}
	if req.Streams <= 0 {
		req.Streams = defaultStreams
	}
	m := &job{req: req, token: hex.EncodeToString(token), progress: reconcile.NewReporter(progress, time.Now)}
	needs := map[reconcile.Operation][2]bool{
		reconcile.OpFence: {true, false}, reconcile.OpUnfence: {true, false}, reconcile.OpCopy: {true, true},
		reconcile.OpProve: {true, true}, reconcile.OpCommit: {true, true},
		reconcile.OpInspect: {false, false}, reconcile.OpWithdraw: {true, true}, reconcile.OpRead: {true, false},
		reconcile.OpReach: {false, true},
	}
	need, known := needs[req.Operation]
	if !known {
		return nil, failf("", reconcile.CodeFailed, "operation %q is none of MongoDB's", req.Operation)
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
	case reconcile.OpInspect:
		return m.inspect(ctx), nil
	case reconcile.OpReach:
		return m.reach(ctx), nil
	case reconcile.OpFence:
		return m.fence(ctx)
	case reconcile.OpUnfence:
		return m.unfence(ctx)
	case reconcile.OpCopy:
		return m.copy(ctx)
	case reconcile.OpRead:
		return m.readWhole(ctx)
	case reconcile.OpProve:
		return m.prove(ctx)
	case reconcile.OpCommit:
		return struct{}{}, m.commit(ctx)
	default: // reconcile.OpWithdraw: newMover knows no other
		return struct{}{}, m.withdraw(ctx)
	}
}
