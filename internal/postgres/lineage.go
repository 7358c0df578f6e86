package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

// The states of a side, in our own database.
const (
	stateCopying       = "copying"
	stateCopied        = "copied"
	stateAuthoritative = "authoritative"
	stateSuperseded    = "superseded"
)

// ownSchema makes the tables of our own database. Every statement can be run
// again. A single row per table is the point of "single".
const ownSchema = `
create schema if not exists dr;
create table if not exists dr.lineage (single boolean primary key default true check (single), installation text not null,
	epoch int not null, state text not null, move text not null, fence text not null, at timestamptz not null default clock_timestamp());
create table if not exists dr.fence (single boolean primary key default true check (single), id text not null,
	since timestamptz not null, how text not null, prior jsonb not null, ended int not null);
create table if not exists dr.holder (single boolean primary key default true check (single), token text not null,
	since timestamptz not null default clock_timestamp());
create table if not exists dr.made (kind text not null, name text not null, primary key (kind, name));
create table if not exists dr.counter (database text primary key, inserted bigint not null, updated bigint not null,
	deleted bigint not null, last_write text not null);
create table if not exists dr.baseline (like dr.counter including all);
create table if not exists dr.own_xid (xid bigint primary key);
create table if not exists dr.moment (single boolean primary key default true check (single), epoch int not null, state text not null, xid bigint not null);
create table if not exists dr.digest (database text not null, kind text not null, object text not null,
	row_count bigint not null, sum text not null, fence text not null, primary key (database, kind, object));`

// ownReady tells whether our own database has its tables; the last one is made
// in the same transaction as all.
const ownReady = "select to_regclass('dr.digest') is not null"

// ensureOwn makes our own database where it is missing.
func (s *server) ensureOwn(ctx context.Context) error {
	err := s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		exists, err := databaseExists(ctx, conn, ownDatabase)
		if err != nil || exists {
			return err
		}
		if _, err := conn.Exec(ctx, "create database "+ident(ownDatabase)+" template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"+database{}.localeOptions(s.version)); err != nil {
			return fmt.Errorf("create database %s: %w", ownDatabase, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, ownSchema); err != nil {
			return fmt.Errorf("make the tables of database %s: %w", ownDatabase, err)
		}
		return nil
	})
}

// hasOwn tells whether our own database is there with its tables: a copy that
// was cut off may have left it empty.
func (s *server) hasOwn(ctx context.Context) (ready bool, err error) {
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		ready, err = databaseExists(ctx, conn, ownDatabase)
		return err
	})
	if err != nil || !ready {
		return false, err
	}
	err = s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, ownReady).Scan(&ready); err != nil {
			return fmt.Errorf("look for our tables: %w", err)
		}
		return nil
	})
	return ready, err
}

// readLineage reads what a side says about its turn; nil when it says nothing.
func (s *server) readLineage(ctx context.Context) (*mover.LineageMark, error) {
	ready, err := s.hasOwn(ctx)
	if err != nil || !ready {
		return nil, err
	}
	var mark *mover.LineageMark
	err = s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		mark, err = lineageOf(ctx, conn)
		return err
	})
	return mark, err
}

func lineageOf(ctx context.Context, conn *pgx.Conn) (*mover.LineageMark, error) {
	var m mover.LineageMark
	err := conn.QueryRow(ctx, "select installation, epoch, state, move, fence, at from dr.lineage").
		Scan(&m.Installation, &m.Epoch, &m.State, &m.Move, &m.Fence, &m.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read lineage: %w", err)
	}
	m.At = m.At.UTC()
	return &m, nil
}

// executor is a session or a transaction.
type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func writeLineage(ctx context.Context, conn executor, m mover.LineageMark) error {
	_, err := conn.Exec(ctx, `insert into dr.lineage (installation, epoch, state, move, fence) values ($1, $2, $3, $4, $5)
		on conflict (single) do update set installation = excluded.installation, epoch = excluded.epoch, state = excluded.state,
		move = excluded.move, fence = excluded.fence, at = clock_timestamp()`, m.Installation, m.Epoch, m.State, m.Move, m.Fence)
	if err != nil {
		return fmt.Errorf("write lineage: %w", err)
	}
	return nil
}

// everAuthoritative tells whether a side held the truth at some time. Such a
// side is never overwritten.
func everAuthoritative(m *mover.LineageMark) bool {
	return m != nil && (m.State == stateAuthoritative || m.State == stateSuperseded)
}

// commit records the switch: the target first, whose epoch is higher, so that
// a crash between the two leaves no doubt which side counts.
func (m *job) commit(ctx context.Context) error {
	mark := mover.LineageMark{Installation: m.req.Installation, Epoch: m.req.Epoch, State: stateAuthoritative, Move: m.req.Move, Fence: m.req.Fence}
	standing, err := m.target.readLineage(ctx)
	if err != nil {
		return err
	}
	switch {
	case standing == nil, standing.Installation != mark.Installation:
		return failf(targetSide, mover.CodeInconclusive, "commit the switch: the target holds no copy of this installation")
	case standing.State == stateAuthoritative && standing.Epoch == mark.Epoch && standing.Move == mark.Move:
		// Cut off after the first half: it is decided, go on with the second.
	case m.req.Fork && everAuthoritative(standing) && standing.Epoch < mark.Epoch:
		if err := m.decide(ctx, mark); err != nil {
			return err
		}
	case standing.State != stateCopied || standing.Move != mark.Move || standing.Fence != mark.Fence:
		// The fence too: a target put back from a snapshot holds an earlier attempt.
		return failf(targetSide, mover.CodeInconclusive, "commit the switch: the target is %s by move %q under fence %q, not copied by %q under %q",
			standing.State, standing.Move, standing.Fence, mark.Move, mark.Fence)
	default:
		if err := m.decide(ctx, mark); err != nil {
			return err
		}
	}
	if err := m.source.ensureOwn(ctx); err != nil {
		return err
	}
	mark.State = stateSuperseded
	return m.supersede(ctx, mark)
}

// decide makes the target the truth, if the source stood still. In the same transaction it records how
// the target is now, which is what a withdrawal compares with: once decided,
// it is never recorded again, because the application may have written.
func (m *job) decide(ctx context.Context, mark mover.LineageMark) error {
	if err := m.target.ensureOwn(ctx); err != nil {
		return err
	}
	var now moment
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.unmoved(gctx) })
	still := !m.req.Fork && !m.req.HandedOff // else the application may write already
	g.Go(func() (err error) { now, err = m.target.momentNow(gctx, still); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := m.addCarried(ctx, &now); err != nil {
		return err
	}
	return m.target.mark(ctx, mark, &now)
}

// addCarried adds what this move carried. A fork's end carries nothing, and
// leaves the record of the move before it.
func (m *job) addCarried(ctx context.Context, now *moment) (err error) {
	if !m.req.Fork {
		now.carried, err = m.target.readCopied(ctx)
	}
	return err
}

// supersede tells the source that it lost its turn. How it was then is recorded
// once: a commit that was cut off and runs again must not hide what somebody
// wrote meanwhile, and the proof's reading is older than any of it.
func (m *job) supersede(ctx context.Context, mark mover.LineageMark) error {
	had, err := m.source.readLineage(ctx)
	if err != nil {
		return err
	}
	if had != nil && had.State == mark.State && had.Epoch == mark.Epoch && had.Move == mark.Move && had.Installation == mark.Installation {
		return nil
	}
	now, err := m.source.momentNow(ctx, !m.req.Fork)
	if err != nil {
		return err
	}
	for _, c := range m.req.Counters {
		var proven int64
		if _, err := fmt.Sscanf(c.LastWrite, xidFormat, &proven); err == nil {
			now.xid = min(now.xid, proven)
		}
	}
	if err := m.addCarried(ctx, &now); err != nil {
		return err
	}
	return m.source.mark(ctx, mark, &now)
}

// mark writes the lineage, the number of the transaction that does, so that
// our own writes can be told from others', and how the side is from now on.
func (s *server) mark(ctx context.Context, mark mover.LineageMark, now *moment) error {
	return s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := recordOwn(ctx, tx); err != nil {
				return err
			}
			if now != nil {
				if err := now.record(ctx, tx, mark); err != nil {
					return err
				}
			}
			return writeLineage(ctx, tx, mark)
		})
	})
}

// recordOwn notes the number of a transaction of ours, in that transaction.
func recordOwn(ctx context.Context, tx executor) error {
	if _, err := tx.Exec(ctx, "insert into dr.own_xid values (txid_current()) on conflict do nothing"); err != nil {
		return fmt.Errorf("record our own write: %w", err)
	}
	return nil
}
