package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// sideFacts is what copy and proof know of a server before they begin.
type sideFacts struct {
	globals   globals
	databases []database
	admin     admin
	fence     *standing
	lineage   *mover.LineageMark
	made      map[string]bool // what our copy made there: "database x", "role y"
	// public is the schema public of each of a source's databases, its roles marked,
	// and left what of them no copy carries, in words; see job.adaptPublic.
	public map[string]publicSchema
	left   []string
}

// copyFacts are both sides and what follows from them.
type copyFacts struct {
	source, target sideFacts
	adapted        adapted
}

// readFacts reads both sides at once.
func (m *job) readFacts(ctx context.Context) (*copyFacts, error) {
	f := &copyFacts{}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { f.source, err = m.from().side(gctx); return err })
	g.Go(func() (err error) { f.target, err = m.target.facts(gctx); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	f.source.databases = connectable(f.source.databases)
	if err := m.askSettings(ctx, f, nil); err != nil {
		return nil, err
	}
	f.adapted = adapt(f.source.globals, f.target.globals, f.target.admin, m.req.OwnerMap, databaseNames(f.source.databases))
	return f, m.adaptPublic(ctx, f)
}

// facts takes two sessions: making one costs more than what it is asked.
func (s *server) facts(ctx context.Context) (f sideFacts, err error) {
	var own bool
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		f.admin = admin{name: s.endpoint.Username, superuser: s.superuser}
		if f.globals, err = readGlobals(ctx, conn, s.superuser, s.version, s.rehearsal); err != nil {
			return err
		}
		if f.databases, err = listDatabasesWith(ctx, conn, s.version, s.rehearsal); err != nil {
			return err
		}
		own, err = databaseExists(ctx, conn, ownDatabase)
		return err
	})
	if err != nil {
		return f, err
	}
	f.made = map[string]bool{}
	if own {
		if err := s.with(ctx, ownDatabase, func(conn *pgx.Conn) error { return f.readOwn(ctx, conn) }); err != nil {
			return f, err
		}
	}
	f.globals.settings = unfenced(f.globals.settings, f.fence)
	f.globals.foreign, f.globals.home = map[string]bool{}, everAuthoritative(f.lineage)
	for _, r := range f.globals.roles {
		f.globals.foreign[r.name] = !f.made["role "+r.name]
	}
	return f, nil
}

// readOwn reads our own database, which a copy that was cut off may have left
// without its tables.
func (f *sideFacts) readOwn(ctx context.Context, conn *pgx.Conn) (err error) {
	var ready bool
	if err := conn.QueryRow(ctx, ownReady).Scan(&ready); err != nil || !ready {
		return err
	}
	if f.fence, err = fenceOf(ctx, conn); err != nil {
		return err
	}
	if f.lineage, err = lineageOf(ctx, conn); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "select kind || ' ' || name from dr.made")
	if err != nil {
		return fmt.Errorf("read what a copy made: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		f.made[name] = true
	}
	return err
}

// prepareCopy looks whether the target may be written to at all.
func (m *job) prepareCopy(ctx context.Context) (*copyFacts, error) {
	f, err := m.readFacts(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.carriable(f, "copy"); err != nil {
		return nil, err
	}
	if m.req.Fence != "" && (f.source.fence == nil || f.source.fence.state.ID != m.req.Fence) {
		return nil, failf(sourceSide, mover.CodeMoved, "copy: fence %q does not stand on the source", m.req.Fence)
	}
	if err := m.mayOverwrite(ctx, f); err != nil {
		return nil, err
	}
	for from, to := range f.adapted.owners {
		if !slices.ContainsFunc(f.target.globals.roles, func(r role) bool { return r.name == to }) {
			return nil, failf(targetSide, mover.CodeUnsupported, "map role %s to %s: the target has no role %s", from, to, to)
		}
	}
	return f, nil
}

// carriable looks whether there is anything that this target could take; what is
// the work that asks.
func (m *job) carriable(f *copyFacts, what string) error {
	if from, to := m.source.version/10000, m.target.version/10000; to < from {
		return failf(targetSide, mover.CodeUnsupported, "%s: the target runs PostgreSQL %d, older than the source's %d", what, to, from)
	}
	if len(f.source.databases) == 0 {
		return failf(sourceSide, mover.CodeUnsupported, "%s: the source has no database to copy", what)
	}
	return nil
}

// mayOverwrite refuses a target that was ever the truth, that belongs to
// another installation, or that holds a database we did not make. One that the
// very source superseded may be replaced when the request says so, but for what
// somebody put there since.
func (m *job) mayOverwrite(ctx context.Context, both *copyFacts) error {
	f := both.target
	known := f.made
	switch {
	case m.replaceable(both): // what the source took over from there, it has noted as made
		known = maps.Clone(f.made)
		maps.Copy(known, both.source.made)
	case everAuthoritative(f.lineage):
		return failf(targetSide, mover.CodeNotEmpty, "overwrite the target: it is %s since epoch %d (move %q); a side that ever held the truth is not overwritten",
			f.lineage.State, f.lineage.Epoch, f.lineage.Move)
	case f.lineage != nil && f.lineage.Installation != m.req.Installation:
		return failf(targetSide, mover.CodeNotEmpty, "overwrite the target: it holds a copy of installation %s", f.lineage.Installation)
	}
	foreign, err := m.target.foreign(ctx, f.databases, known)
	if err != nil {
		return err
	}
	if len(foreign) > 0 {
		return failf(targetSide, mover.CodeNotEmpty, "overwrite the target: database %s is not empty and none of ours", strings.Join(foreign, ", "))
	}
	return nil
}

// replaceable tells whether the target is the side that the source took over
// from at the epoch the request names: what it holds, the source has had.
func (m *job) replaceable(both *copyFacts) bool {
	from, to := both.source.lineage, both.target.lineage
	return m.req.Replaces > 0 && from != nil && to != nil && from.Installation == m.req.Installation && to.Installation == m.req.Installation &&
		to.State == stateSuperseded && from.State == stateAuthoritative && to.Epoch == m.req.Replaces && from.Epoch == m.req.Replaces
}

// foreign names the databases that hold something and are not on our record.
func (s *server) foreign(ctx context.Context, databases []database, known map[string]bool) ([]string, error) {
	var names []string
	for _, d := range databases {
		if known["database "+d.name] || !d.connectable {
			continue
		}
		err := s.with(ctx, d.name, func(conn *pgx.Conn) error {
			empty, err := isEmpty(ctx, conn)
			if err == nil && !empty {
				names = append(names, d.name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}
