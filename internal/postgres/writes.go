package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// Whether a side was written to since its mark. Every transaction that writes
// takes a number, so equal numbers but for our own are a proof that none did;
// they outlive a restart, and statistics may not. Numbers that went on prove
// nothing: ANALYZE takes them too. Then rows, catalogs and sequences decide
// that something was written, and never that nothing was.

// moment is how a side was when its mark was written.
type moment struct {
	xid     int64 // the next transaction number
	state   map[string]mover.WriteCounter
	carried []string // what the move carried, none when it carried nothing
}

const nextXID = "select txid_snapshot_xmax(txid_current_snapshot())"

// momentNow reads how a side is. The number comes first: what is written
// after it counts as since. A side that need not stand still is read once.
func (s *server) momentNow(ctx context.Context, still bool) (now moment, err error) {
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, nextXID).Scan(&now.xid); err != nil {
			return fmt.Errorf("read the next transaction number: %w", err)
		}
		all, err := listDatabases(ctx, conn, s.version)
		if err == nil {
			now.state, err = s.stateOf(ctx, conn, databaseNames(connectable(all)), still)
		}
		return err
	})
	return now, err
}

func (m moment) record(ctx context.Context, tx pgx.Tx, mark mover.LineageMark) error {
	batch := &pgx.Batch{}
	batch.Queue("delete from dr.baseline")
	for name, v := range m.state {
		batch.Queue("insert into dr.baseline values ($1, $2, $3, $4, $5)", name, v.Inserted, v.Updated, v.Deleted, v.LastWrite)
	}
	batch.Queue(`insert into dr.moment (epoch, state, xid) values ($1, $2, $3)
		on conflict (single) do update set epoch = excluded.epoch, state = excluded.state, xid = excluded.xid`, mark.Epoch, mark.State, m.xid)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("record how the server is: %w", err)
	}
	if len(m.carried) > 0 {
		return recordCarried(ctx, tx, m.carried)
	}
	return nil
}

// writesSince tells what a side knows of writes since its mark.
func (s *server) writesSince(ctx context.Context, mark mover.LineageMark, names []string) (*mover.SideWrites, error) {
	var then *moment
	var writes mover.SideWrites
	var now, own int64
	err := s.with(ctx, ownDatabase, func(conn *pgx.Conn) (err error) {
		if then, err = momentOf(ctx, conn, mark); err != nil || then == nil {
			return err
		}
		if err := conn.QueryRow(ctx, nextXID).Scan(&now); err != nil {
			return fmt.Errorf("read the next transaction number: %w", err)
		}
		if err := conn.QueryRow(ctx, "select count(*) from dr.own_xid where xid >= $1 and xid < $2", then.xid, now).Scan(&own); err != nil {
			return fmt.Errorf("read our own writes: %w", err)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case then == nil:
		writes.Why = "how it was then is not on record"
	case now-then.xid == own:
		return &mover.SideWrites{Any: mover.WrittenNone, Why: "no transaction but our own took a number"}, nil
	default:
		if writes.Any, writes.Why, err = s.changedSince(ctx, *then, names); err != nil {
			return nil, err
		}
		writes.Why = fmt.Sprintf("%d transactions took a number, %s", max(now-then.xid-own, 0), writes.Why)
	}
	return &writes, s.with(ctx, maintenance, func(conn *pgx.Conn) error { return lastWrite(ctx, conn, &writes) })
}

// momentOf is how a side was when its mark was written, nil where that is not
// on record: an older version of us wrote the mark, or it was withdrawn.
func momentOf(ctx context.Context, conn *pgx.Conn, mark mover.LineageMark) (*moment, error) {
	var there bool
	if err := conn.QueryRow(ctx, "select to_regclass('dr.moment') is not null").Scan(&there); err != nil {
		return nil, fmt.Errorf("look for the record of the mark: %w", err)
	}
	if !there {
		return nil, nil
	}
	var m moment
	err := conn.QueryRow(ctx, "select xid from dr.moment where epoch = $1 and state = $2", mark.Epoch, mark.State).Scan(&m.xid)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of the mark: %w", err)
	}
	m.state, err = countersIn(ctx, conn, "dr.baseline")
	return &m, err
}

// changedSince compares what the server counts of itself. Roles are left out:
// the fence changes their settings.
func (s *server) changedSince(ctx context.Context, then moment, names []string) (any mover.Written, why string, err error) {
	now, err := s.readCountersOnce(ctx, names, false)
	if err == nil {
		err = s.addSequences(ctx, names, now)
	}
	if err != nil {
		return "", "", err
	}
	var changed, reset []string
	var rows int64
	for _, name := range names {
		was, had := then.state[name]
		is := now[name]
		written := []int64{is.Inserted - was.Inserted, is.Updated - was.Updated, is.Deleted - was.Deleted}
		switch {
		case !had || is.LastWrite != was.LastWrite:
			changed = append(changed, name)
		case slices.Min(written) < 0:
			reset = append(reset, name)
			continue
		case slices.Max(written) > 0:
			changed = append(changed, name)
		}
		for _, n := range written {
			rows += max(n, 0)
		}
	}
	for _, name := range sortedKeys(then.state) {
		if name != "" && !slices.Contains(names, name) {
			changed = append(changed, name)
		}
	}
	switch {
	case len(changed) > 0:
		return mover.WrittenSome, fmt.Sprintf("%d row changes counted, changed: %s", rows, strings.Join(changed, ", ")), nil
	case len(reset) > 0:
		return "", "and the statistics of " + strings.Join(reset, ", ") + " began anew", nil
	}
	return "", "and no row, catalog or sequence is known to have changed: autovacuum takes numbers too", nil
}

// lastWrite finds the best bound for the time of the last write. Both say when
// anything was written, ours and the server's own included: nothing was
// written later.
func lastWrite(ctx context.Context, conn *pgx.Conn, into *mover.SideWrites) error {
	var at *time.Time
	var tracked, may bool
	err := conn.QueryRow(ctx, `select current_setting('track_commit_timestamp') = 'on', has_function_privilege('pg_ls_waldir()', 'execute')`).Scan(&tracked, &may)
	if err == nil && tracked {
		into.From = "commit timestamps"
		err = conn.QueryRow(ctx, "select timestamp from pg_last_committed_xact()").Scan(&at)
	}
	if err == nil && at == nil && may { // none was committed since the server started
		into.From = "write-ahead log"
		err = conn.QueryRow(ctx, "select max(modification) from pg_ls_waldir()").Scan(&at)
	}
	if err != nil {
		return fmt.Errorf("look for the time of the last write: %w", err)
	}
	if at == nil {
		into.From = ""
		return nil
	}
	into.Last = at.UTC()
	return nil
}
