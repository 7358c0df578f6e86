package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// withdraw takes a commit back, unless the application has written to the
// target since. The target goes first: between the two halves no side says it
// is authoritative, and either a commit or a withdrawal goes on from there.
//
// A wrong "nothing was written" would lose data, a wrong "something was" only
// means forward. So every doubt counts as a write or as an error.
func (m *job) withdraw(ctx context.Context) error {
	mark, err := m.target.readLineage(ctx)
	if err != nil {
		return err
	}
	if m.req.Fork {
		return m.leaveFork(ctx, mark)
	}
	ours := mark != nil && mark.Installation == m.req.Installation && mark.Move == m.req.Move
	switch {
	case ours && mark.State == stateAuthoritative:
		if err := m.takeBack(ctx, *mark); err != nil {
			return err
		}
	case everAuthoritative(mark):
		return failf(targetSide, mover.CodeInconclusive, "withdraw the commit: the target is %s by move %q, not by %q", mark.State, mark.Move, m.req.Move)
	}
	return m.reinstate(ctx)
}

// leaveFork lets the application go back to the side it was on, which is not
// the truth before and after: no mark changes. It must not have written to the
// target since, and only equal transaction numbers say that for certain.
func (m *job) leaveFork(ctx context.Context, mark *mover.LineageMark) error {
	if mark == nil || mark.State != stateAuthoritative || mark.Epoch != m.req.Epoch || mark.Move != m.req.Move {
		return nil // the commit has not come that far
	}
	f, err := m.target.facts(ctx)
	if err != nil {
		return err
	}
	writes, err := m.target.writesSince(ctx, *mark, databaseNames(connectable(f.databases)))
	if err == nil && writes.Any != mover.WrittenNone {
		err = failf(targetSide, mover.CodeMoved, "withdraw the commit: the target may hold writes since: %s", writes.Why)
	}
	return err
}

// reinstate makes the source the truth again, if this move superseded it.
func (m *job) reinstate(ctx context.Context) error {
	mark, err := m.source.readLineage(ctx)
	if err != nil {
		return err
	}
	if mark == nil || mark.State != stateSuperseded || mark.Installation != m.req.Installation || mark.Move != m.req.Move {
		return nil
	}
	mark.State = stateAuthoritative
	return m.source.mark(ctx, *mark, nil)
}

// takeBack makes the target a mere copy again.
func (m *job) takeBack(ctx context.Context, mark mover.LineageMark) error {
	held, h, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer h.release(ctx)
	err = m.target.with(held, maintenance, func(conn *pgx.Conn) error { return m.unwritten(held, h, conn, mark.Fence) })
	if err == nil {
		err = h.guard(held)
	}
	if err == nil {
		mark.State = stateCopied
		err = classify(targetSide, writeLineage(held, h.conn, mark))
	}
	if cause := context.Cause(held); err != nil && cause != nil {
		return cause
	}
	return err
}

// unwritten fails with CodeMoved unless the target is as the commit left it.
// Sessions are ended first, because a session reports what it wrote at its
// end; and looked for again at the end, because one that came meanwhile may
// have written behind our back.
func (m *job) unwritten(ctx context.Context, h *holder, conn *pgx.Conn, fence string) error {
	all, err := listDatabases(ctx, conn, m.target.version)
	if err != nil {
		return err
	}
	names := databaseNames(connectable(all))
	for range 3 {
		if _, err := m.target.endSessions(ctx, conn, names); err != nil {
			return err
		}
		if err := m.target.settle(ctx, conn); err != nil {
			return err
		}
		if err := m.sameState(ctx, h, conn, names); err != nil {
			return err
		}
		if err := m.sameContents(ctx, h, names, fence); err != nil {
			return err
		}
		came, err := m.target.endSessions(ctx, conn, names)
		if err != nil || came == 0 {
			return err
		}
	}
	return failf(targetSide, mover.CodeInconclusive, "withdraw the commit: sessions keep coming to the target; stop what connects to it")
}

// sameState compares what the target says of itself with what it said when
// the switch was committed.
func (m *job) sameState(ctx context.Context, h *holder, conn *pgx.Conn, names []string) error {
	then, err := countersIn(ctx, h.conn, "dr.baseline")
	if err != nil {
		return classify(targetSide, err)
	}
	if len(then) == 0 {
		return failf(targetSide, mover.CodeInconclusive, "withdraw the commit: the target holds no record of how it was then")
	}
	now, err := m.target.state(ctx, conn, names)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(sortedKeys(then), sortedKeys(now)) {
		if then[name] != now[name] {
			return failf(targetSide, mover.CodeMoved, "withdraw the commit: %s of the target changed since", strings.TrimSpace("database "+name))
		}
	}
	return nil
}

// state is what a server says of its databases' contents and, under the empty
// name, of its roles: rows written, catalogs, where sequences stand.
func (s *server) state(ctx context.Context, conn *pgx.Conn, names []string) (map[string]mover.WriteCounter, error) {
	return s.stateOf(ctx, conn, names, true)
}

// stateOf waits for a server that stands still, or reads it as it is.
func (s *server) stateOf(ctx context.Context, conn *pgx.Conn, names []string, still bool) (map[string]mover.WriteCounter, error) {
	read := s.readCountersOnce
	if still {
		read = s.readCounters
	}
	state, err := read(ctx, names, false)
	if err != nil {
		return nil, err
	}
	if err := s.addSequences(ctx, names, state); err != nil {
		return nil, err
	}
	var roles mover.WriteCounter
	err = conn.QueryRow(ctx, `select 'roles ' || (select coalesce(sum(hashtext(r::text)::numeric), 0) from pg_roles r)
		|| ' ' || (select coalesce(sum(hashtext(m::text)::numeric), 0) from pg_auth_members m)
		|| ' ' || (select coalesce(sum(hashtext(s::text)::numeric), 0) from pg_db_role_setting s)`).Scan(&roles.LastWrite)
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("read roles: %w", err))
	}
	state[""] = roles
	return state, nil
}

// addSequences adds where the sequences of each database stand.
func (s *server) addSequences(ctx context.Context, names []string, state map[string]mover.WriteCounter) error {
	var mu sync.Mutex
	return s.each(ctx, names, func(ctx context.Context, name string, conn *pgx.Conn) error {
		sequences, err := listSequences(ctx, conn)
		mu.Lock()
		defer mu.Unlock()
		c := state[name]
		c.LastWrite += fmt.Sprintf(" sequences %d", hashOf(sequences))
		state[name] = c
		return err
	})
}

// sameContents reads every table and large object of the target again and
// compares with what the copy wrote. Statistics alone are not enough: up to
// PostgreSQL 14 they may get lost, and a crash or a failover sets them to zero.
func (m *job) sameContents(ctx context.Context, h *holder, names []string, fence string) error {
	recorded, err := recordedDigests(ctx, h.conn, fence)
	if err != nil {
		return classify(targetSide, err)
	}
	target, err := m.target.facts(ctx)
	if err != nil {
		return err
	}
	// What is read there has no other name, and the path that its databases have now.
	p := &proof{job: m, recorded: recorded, facts: &copyFacts{target: target, adapted: adapted{settings: target.globals.settings}}}
	for _, name := range names {
		if err := p.compareRecorded(ctx, name); err != nil {
			return fmt.Errorf("look for writes in database %q: %w", name, err)
		}
	}
	return nil
}

func (p *proof) compareRecorded(ctx context.Context, name string) error {
	var tables []table
	var objects digest
	err := p.target.with(ctx, name, func(conn *pgx.Conn) (err error) {
		if tables, err = listTables(ctx, conn); err != nil {
			return err
		}
		objects, err = objectsOf(ctx, conn, nil)
		return err
	})
	if err != nil {
		return err
	}
	if objects != p.recorded[[3]string{name, objectsDigest, ""}] {
		return failf(targetSide, mover.CodeMoved, "large objects changed since the copy")
	}
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(p.req.Streams, len(tables)) {
		g.Go(func() error {
			r := &reader{proof: p, database: name}
			defer r.close(gctx)
			for i := next.Add(1) - 1; i < int64(len(tables)); i = next.Add(1) - 1 {
				t := tables[i]
				want, ok := p.recorded[[3]string{name, tableDigest, t.object()}]
				have, err := r.read(gctx, p.target, &r.target, t, t)
				if err != nil {
					return err
				}
				if !ok || want != have {
					return failf(targetSide, mover.CodeMoved, "table %s changed since the copy", t.object())
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// unmoved fails with CodeMoved when the source was written to since the
// proof. What our own marks did to its transaction number is on record.
func (m *job) unmoved(ctx context.Context) error {
	if len(m.req.Counters) == 0 {
		return nil
	}
	fence, err := m.source.readFence(ctx)
	if err != nil {
		return err
	}
	if fence == nil || fence.state.ID != m.req.Fence {
		return failf(sourceSide, mover.CodeMoved, "commit the switch: fence %q does not stand on the source", m.req.Fence)
	}
	var names []string
	err = m.source.with(ctx, maintenance, func(conn *pgx.Conn) error {
		all, err := listDatabases(ctx, conn, m.source.version)
		names = databaseNames(connectable(all))
		if err != nil {
			return err
		}
		return m.source.settle(ctx, conn) // what is not committed yet is not counted
	})
	if err != nil {
		return err
	}
	now, err := m.source.readCounters(ctx, names, fence.state.How == howSystem)
	if err != nil || maps.Equal(m.req.Counters, now) {
		return err
	}
	if fence.state.How == howSystem && len(now) == len(m.req.Counters) {
		explained, err := m.source.ownWritesExplain(ctx, m.req.Counters, now)
		if err != nil || explained {
			return err
		}
	}
	return failf(sourceSide, mover.CodeMoved, "commit the switch: the source was written to since the proof, in spite of the fence")
}

// ownWritesExplain tells whether every transaction number between two
// readings was taken by a mark of ours.
func (s *server) ownWritesExplain(ctx context.Context, then, now map[string]mover.WriteCounter) (bool, error) {
	explained := true
	err := s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		for name, c := range now {
			var from, to int64
			_, errFrom := fmt.Sscanf(then[name].LastWrite, xidFormat, &from)
			_, errTo := fmt.Sscanf(c.LastWrite, xidFormat, &to)
			if errors.Join(errFrom, errTo) != nil || from > to { // another kind of counter, or a database that was not there
				explained = false
				return nil
			}
			var own int64
			if err := conn.QueryRow(ctx, "select count(*) from dr.own_xid where xid >= $1 and xid < $2", from, to).Scan(&own); err != nil {
				return fmt.Errorf("read our own writes: %w", err)
			}
			explained = explained && own == to-from
		}
		return nil
	})
	return explained, err
}
