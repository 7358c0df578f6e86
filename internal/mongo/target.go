package mongo

import (
	"context"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// sideFacts is what copy and proof know of a server before they begin.
type sideFacts struct {
	databases []database
	fence     *fenceRecord
	lineage   *lineage
}

func (s *server) facts(ctx context.Context) (f sideFacts, err error) {
	if f.databases, err = s.databases(ctx); err != nil {
		return f, err
	}
	if f.fence, err = s.readFence(ctx); err != nil {
		return f, err
	}
	f.lineage, err = s.readLineage(ctx)
	return f, err
}

// prepareCopy looks whether the target may be written to at all.
func (m *job) prepareCopy(ctx context.Context) (source recorded, target sideFacts, err error) {
	if source, target, err = m.readFacts(ctx); err != nil {
		return source, target, err
	}
	if len(source.databases) == 0 {
		return source, target, failf(sourceSide, mover.CodeUnsupported, "copy: the source has no database to copy")
	}
	if err := m.underFence(source.fence, "copy"); err != nil {
		return source, target, err
	}
	if err := m.target.mustWrite(ctx); err != nil {
		return source, target, err
	}
	if blocked := m.blocked(source.databases); len(blocked) > 0 {
		return source, target, failf(targetSide, mover.CodeUnsupported, "copy %s.%s: %s", blocked[0].Database, blocked[0].Object, blocked[0].Reason)
	}
	if m.target.build.number()/100 < source.build.number()/100 {
		return source, target, failf(targetSide, mover.CodeUnsupported, "copy: the target runs MongoDB %s, older than the source's %s", m.target.build.Version, source.build.Version)
	}
	return source, target, m.mayOverwrite(source.sideFacts, target)
}

// underFence fails unless the fence of the request stands.
func (m *job) underFence(fence *fenceRecord, what string) error {
	if m.req.Fence != "" && (!fence.stands() || fence.ID != m.req.Fence) {
		return failf(sourceSide, mover.CodeMoved, "%s: fence %q does not stand on the source", what, m.req.Fence)
	}
	return nil
}

// mayOverwrite refuses a target that was ever the truth, that belongs to
// another installation, or that holds a database we did not make. One that the
// very source superseded may be replaced when the request says so, but for what
// somebody put there since.
func (m *job) mayOverwrite(source, f sideFacts) error {
	replaces := m.replaceable(source, f)
	if f.lineage.everAuthoritative() && !replaces {
		return failf(targetSide, mover.CodeNotEmpty, "overwrite the target: it is %s since epoch %d (move %q); a side that ever held the truth is not overwritten",
			f.lineage.State, f.lineage.Epoch, f.lineage.Move)
	}
	if f.lineage != nil && f.lineage.Installation != m.req.Installation {
		return failf(targetSide, mover.CodeNotEmpty, "overwrite the target: it holds a copy of installation %s", f.lineage.Installation)
	}
	var foreign []string
	for _, d := range f.databases {
		// What the source took over from there, it has noted as made.
		if !f.lineage.made(d.name) && (!replaces || !source.lineage.made(d.name)) {
			foreign = append(foreign, d.name)
		}
	}
	if len(foreign) > 0 {
		return failf(targetSide, mover.CodeNotEmpty, "overwrite the target: database %s is not empty and none of ours", strings.Join(foreign, ", "))
	}
	return nil
}

// replaceable tells whether the target is the side that the source took over
// from at the epoch the request names: what it holds, the source has had.
func (m *job) replaceable(source, target sideFacts) bool {
	from, to := source.lineage, target.lineage
	return m.req.Replaces > 0 && from != nil && to != nil && from.Installation == m.req.Installation && to.Installation == m.req.Installation &&
		to.State == stateSuperseded && from.State == stateAuthoritative && to.Epoch == m.req.Replaces && from.Epoch == m.req.Replaces
}

func (s *server) dropDatabase(ctx context.Context, name string) error {
	return s.commandWithin(ctx, s.limits.work, name, bson.D{{Key: "dropDatabase", Value: 1}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}}}, nil)
}

// dropMade drops what copies made. mayOverwrite has looked at it before.
func (s *server) dropMade(ctx context.Context, h *holder, l *lineage) error {
	if l == nil {
		return nil
	}
	return s.dropAll(ctx, h, l.Made)
}

func (s *server) dropAll(ctx context.Context, h *holder, databases []string) error {
	for _, name := range databases {
		if err := h.guard(ctx); err != nil {
			return err
		}
		if err := s.dropDatabase(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
