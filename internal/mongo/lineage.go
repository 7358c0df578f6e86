package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// The states of a side, in our own database.
const (
	stateCopying       = "copying"
	stateCopied        = "copied"
	stateAuthoritative = "authoritative"
	stateSuperseded    = "superseded"
)

// lineage is one document, so that every change of it is atomic, also on a
// server that knows no transactions.
type lineage struct {
	Installation string    `bson:"installation" json:"installation"`
	Epoch        int       `bson:"epoch" json:"epoch"`
	State        string    `bson:"state" json:"state"`
	Move         string    `bson:"move" json:"move"`
	Fence        string    `bson:"fence" json:"fence"`
	At           time.Time `bson:"at" json:"at"`
	// Made are the databases a copy made, noted before it makes them: what a
	// cut-off copy leaves is recognised by it.
	Made []string `bson:"made,omitempty" json:"made,omitempty"`
	// Baseline is how this side was when the switch was committed.
	Baseline map[string]mover.WriteCounter `bson:"baseline,omitempty" json:"baseline,omitempty"`
}

func (l *lineage) mark() *mover.LineageMark {
	if l == nil {
		return nil
	}
	return &mover.LineageMark{Installation: l.Installation, Epoch: l.Epoch, State: l.State, Move: l.Move, Fence: l.Fence, At: l.At.UTC()}
}

// everAuthoritative tells whether a side held the truth at some time. Such a
// side is never overwritten.
func (l *lineage) everAuthoritative() bool {
	return l != nil && (l.State == stateAuthoritative || l.State == stateSuperseded)
}

func (l *lineage) made(database string) bool {
	if l == nil {
		return false
	}
	for _, name := range l.Made {
		if name == database {
			return true
		}
	}
	return false
}

// matter is one document of our own collection.
func matter(name string) bson.D { return bson.D{{Key: "_id", Value: name}} }

const (
	matterLineage = "lineage"
	matterFence   = "fence"
	matterHolder  = "holder"
)

// readMatter reads one of our own documents; false when there is none.
func (s *server) readMatter(ctx context.Context, name string, into any) (bool, error) {
	if err := s.connect(ctx); err != nil {
		return false, err
	}
	err := s.quickly(ctx, fmt.Sprintf("read %s in database %s", name, ownDatabase), func(ctx context.Context) error {
		return s.own().FindOne(ctx, matter(name)).Decode(into)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

// writeMatter replaces one of our own documents.
func (s *server) writeMatter(ctx context.Context, name string, value any) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.quickly(ctx, fmt.Sprintf("write %s in database %s", name, ownDatabase), func(ctx context.Context) error {
		_, err := s.own().ReplaceOne(ctx, matter(name), value, options.Replace().SetUpsert(true))
		return err
	})
}

func (s *server) removeMatter(ctx context.Context, name string) error {
	return s.quickly(ctx, fmt.Sprintf("remove %s in database %s", name, ownDatabase), func(ctx context.Context) error {
		_, err := s.own().DeleteOne(ctx, matter(name))
		return err
	})
}

// readLineage reads what a side says about its turn; nil when it says nothing.
func (s *server) readLineage(ctx context.Context) (*lineage, error) {
	var l lineage
	found, err := s.readMatter(ctx, matterLineage, &l)
	if err != nil || !found {
		return nil, err
	}
	return &l, nil
}

func (s *server) writeLineage(ctx context.Context, l lineage) error {
	l.At = time.Now().UTC()
	return s.writeMatter(ctx, matterLineage, l)
}

// commit records the switch: the target first, whose epoch is higher, so that
// a crash between the two leaves no doubt which side counts.
func (m *job) commit(ctx context.Context) error {
	standing, err := m.target.readLineage(ctx)
	if err != nil {
		return err
	}
	switch {
	case standing == nil, standing.Installation != m.req.Installation:
		return failf(targetSide, mover.CodeInconclusive, "commit the switch: the target holds no copy of this installation")
	case standing.State == stateAuthoritative && standing.Epoch == m.req.Epoch && standing.Move == m.req.Move:
		// Cut off after the first half: it is decided, go on with the second.
	case standing.State != stateCopied || standing.Move != m.req.Move || standing.Fence != m.req.Fence:
		// The fence too: a target put back from a snapshot holds an earlier attempt.
		return failf(targetSide, mover.CodeInconclusive, "commit the switch: the target is %s by move %q under fence %q, not copied by %q under %q",
			standing.State, standing.Move, standing.Fence, m.req.Move, m.req.Fence)
	default:
		if err := m.decide(ctx, *standing); err != nil {
			return err
		}
	}
	mark := lineage{Installation: m.req.Installation, Epoch: m.req.Epoch, State: stateSuperseded, Move: m.req.Move, Fence: m.req.Fence}
	// The proof's reading, where there is one, is older than anything that
	// somebody wrote between a cut-off commit and this one.
	if mark.Baseline = m.req.Counters; len(mark.Baseline) == 0 {
		databases, err := m.source.databases(ctx)
		if err != nil {
			return err
		}
		if mark.Baseline, err = m.source.readCounters(ctx, names(databases)); err != nil {
			return err
		}
	}
	return m.markBehindFence(ctx, mark)
}

// decide makes the target the truth, if the source stood still. With it goes
// how the target is now, which is what a withdrawal compares with: once
// decided, it is never recorded again, because the application may have
// written.
func (m *job) decide(ctx context.Context, l lineage) error {
	if err := m.unmoved(ctx); err != nil {
		return err
	}
	databases, err := m.target.databases(ctx)
	if err != nil {
		return err
	}
	if l.Baseline, err = m.target.readCounters(ctx, names(databases)); err != nil {
		return err
	}
	l.State, l.Epoch = stateAuthoritative, m.req.Epoch
	return m.target.writeLineage(ctx, l)
}
