package mongo

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// A fence is a lock where the server lets us have one: fsyncLock makes every
// write wait, for everybody and for the server's own threads, and reading goes
// on. It ends with the server's process, never by itself. Where we may not
// lock, a fence only watches: what writes is noticed by the counters and
// stops the move, it is not prevented.
const (
	howLock  = "lock"
	howWatch = "watch"
)

// fenceRecord is the fence in our own database. It is written before the lock
// is taken: under the lock nobody can write, not even we.
type fenceRecord struct {
	ID    string    `bson:"id"`
	Since time.Time `bson:"since"`
	How   string    `bson:"how"`
	// locked tells whether the server is locked now. A restart ends the lock
	// and leaves the record; then the fence does not stand.
	locked bool
}

func (f *fenceRecord) stands() bool { return f != nil && (f.How == howWatch || f.locked) }

func (f *fenceRecord) state() *mover.FenceState {
	if !f.stands() {
		return nil
	}
	return &mover.FenceState{ID: f.ID, Since: f.Since.UTC(), How: f.How}
}

// readFence reads the recorded fence, nil when there is none.
func (s *server) readFence(ctx context.Context) (*fenceRecord, error) {
	var f fenceRecord
	found, err := s.readMatter(ctx, matterFence, &f)
	if err != nil || !found {
		return nil, err
	}
	f.locked, err = s.isLocked(ctx)
	return &f, err
}

// isLocked tells whether somebody holds the server's write lock.
func (s *server) isLocked(ctx context.Context) (bool, error) {
	var now struct {
		Locked bool `bson:"fsyncLock"`
	}
	// Own operations only: that needs no right, and the flag is there all the same.
	err := s.command(ctx, "admin", bson.D{{Key: "currentOp", Value: 1}, {Key: "$ownOps", Value: true}}, &now)
	if notAllowed(err) {
		return false, nil // who may not ask may not lock either
	}
	return now.Locked, err
}

// fence stops writes on the source, or begins to watch for them.
func (m *job) fence(ctx context.Context) (mover.FenceResult, error) {
	var result mover.FenceResult
	s := m.source
	if m.req.Fence == "" {
		return result, failf(s.side, mover.CodeFailed, "fence: no id was given")
	}
	if err := s.mustWrite(ctx); err != nil {
		return result, err
	}
	now, err := s.readFence(ctx)
	if err != nil {
		return result, err
	}
	if now.stands() && now.ID != m.req.Fence {
		return result, failf(s.side, mover.CodeOtherHolder, "fence: fence %q stands since %s; lift it first", now.ID, now.Since.Format(time.RFC3339))
	}
	if !now.stands() {
		if now, err = m.raise(ctx); err != nil {
			return result, err
		}
	}
	result.Fence = *now.state()
	if result.Ended, err = s.endSessions(ctx); err != nil {
		return result, err
	}
	databases, err := s.databases(ctx)
	if err != nil {
		return result, err
	}
	result.Counters, err = s.readCounters(ctx, names(databases))
	return result, err
}

// raise records a fence and takes the lock, if we may.
func (m *job) raise(ctx context.Context) (*fenceRecord, error) {
	s := m.source
	if locked, err := s.isLocked(ctx); err != nil || locked {
		if err == nil {
			err = failf(s.side, mover.CodeOtherHolder, "fence: somebody else has locked the server against writes; run db.fsyncUnlock() on it first")
		}
		return nil, err
	}
	now := &fenceRecord{ID: m.req.Fence, Since: time.Now().UTC().Truncate(time.Millisecond), How: howLock}
	if err := s.writeMatter(ctx, matterFence, now); err != nil {
		return nil, err
	}
	// A transaction left open would make the lock wait for it.
	if _, err := s.endSessions(ctx); err != nil {
		return nil, err
	}
	err := s.lock(ctx)
	if err == nil {
		now.locked = true
		return now, nil
	}
	if !notAllowed(err) {
		return nil, err
	}
	m.progress.Say("the server does not let us lock it against writes: they are watched for instead")
	now.How = howWatch
	return now, s.writeMatter(ctx, matterFence, now)
}

// lock takes the server's write lock. The server gives up before we do: one
// that takes it when nobody waits any more would stay locked.
func (s *server) lock(ctx context.Context) error {
	patience := s.limits.answer
	return s.commandWithin(ctx, 2*patience, "admin", bson.D{{Key: "fsync", Value: 1}, {Key: "lock", Value: true}, {Key: "maxTimeMS", Value: patience.Milliseconds()}}, nil)
}

func (s *server) unlock(ctx context.Context) error {
	var after struct {
		Left int64 `bson:"lockCount"`
	}
	if err := s.command(ctx, "admin", bson.D{{Key: "fsyncUnlock", Value: 1}}, &after); err != nil {
		return err
	}
	if after.Left > 0 {
		return failf(s.side, mover.CodeInconclusive, "unlock: somebody else has locked the server against writes too; run db.fsyncUnlock() on it")
	}
	return nil
}

// unfence lifts the fence. Lifting none is no error: that is how a repeated
// run looks.
func (m *job) unfence(ctx context.Context) (mover.UnfenceResult, error) {
	s := m.source
	if err := m.awaitSource(ctx); err != nil {
		return mover.UnfenceResult{}, err
	}
	now, err := s.readFence(ctx)
	if err != nil || now == nil {
		return mover.UnfenceResult{}, err
	}
	if m.req.Fence != "" && now.ID != m.req.Fence && now.stands() {
		return mover.UnfenceResult{}, failf(s.side, mover.CodeOtherHolder, "lift fence %q: another one stands, %q", m.req.Fence, now.ID)
	}
	result := mover.UnfenceResult{Lifted: now.state()}
	if now.locked && now.How == howLock {
		if err := s.unlock(ctx); err != nil {
			return result, err
		}
	}
	return result, s.removeMatter(ctx, matterFence)
}

// awaitSource waits for a source that restarts, which may be why the fence has
// to go: without it the application cannot come back.
func (m *job) awaitSource(ctx context.Context) error {
	for begun := time.Now(); ; {
		err := m.source.connect(ctx)
		var known *mover.Error
		if !errors.As(err, &known) || known.Code != mover.CodeUnreachable || time.Since(begun) > m.source.limits.answer {
			return err
		}
		m.progress.Say("waiting for the source to answer: %v", err)
		if process.Pause(ctx, time.Second) != nil {
			return err
		}
	}
}

// markBehindFence writes the lineage of the source, which may be locked. The
// lock is let go for that moment; what waits for it is ended first.
func (m *job) markBehindFence(ctx context.Context, l lineage) error {
	s := m.source
	had, err := s.readLineage(ctx)
	if err != nil {
		return err
	}
	now, err := s.readFence(ctx)
	if err != nil {
		return err
	}
	done := had != nil && had.State == l.State && had.Epoch == l.Epoch && had.Move == l.Move && had.Installation == l.Installation
	locks := now != nil && now.How == howLock
	if done && (!locks || now.locked) {
		return nil
	}
	if !locks {
		return s.writeLineage(ctx, l)
	}
	if !now.locked { // cut off in the moment below, or the server was restarted
		if err := s.writeLineage(ctx, l); err != nil {
			return err
		}
		return s.lock(ctx)
	}
	return m.openFor(ctx, func() error { return s.writeLineage(ctx, l) })
}

// openFor lets the source's lock go, does something, and takes it again. It
// says so if somebody else used the moment: the mark is right all the same.
func (m *job) openFor(ctx context.Context, do func() error) error {
	s := m.source
	databases, err := s.databases(ctx)
	if err != nil {
		return err
	}
	before, err := s.readCounters(ctx, names(databases))
	if err != nil {
		return err
	}
	if _, err := s.endSessions(ctx); err != nil {
		return err
	}
	if err := s.unlock(ctx); err != nil {
		return err
	}
	if err := errors.Join(do(), s.lock(ctx)); err != nil {
		return err
	}
	after, err := s.readCounters(ctx, names(databases))
	if err == nil && !maps.Equal(before, after) {
		m.progress.Say("somebody wrote to the source while its lock was open for our mark: look who still connects to it")
	}
	return err
}

// mustWrite refuses a server that takes no writes, such as a secondary.
func (s *server) mustWrite(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	if s.hello.Message == "isdbgrid" {
		return failf(s.side, mover.CodeUnsupported, "%s is a mongos: a move carries no sharded cluster", s.where())
	}
	if !s.hello.Primary {
		return failf(s.side, mover.CodeUnsupported, "%s takes no writes; name the primary (it says %q) or the replica set", s.where(), s.hello.PrimaryAt)
	}
	return nil
}
