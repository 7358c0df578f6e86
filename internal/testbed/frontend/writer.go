package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"github.com/jackc/pgx/v5"
)

// writer is the frontend: it numbers rows without a gap, one transaction each,
// and counts a row only when it was committed and read back.
type writer struct {
	*account
	db database
}

func newWriter(db database, status *tracker, instance string) (*writer, error) {
	a, err := newAccount(status.postgres(), db.host, instance, "LEDGER")
	if err != nil {
		return nil, err
	}
	return &writer{account: a, db: db}, nil
}

// session writes on one connection until it breaks or ctx ends. A write that
// has begun is finished.
func (w *writer) session(ctx context.Context) error {
	conn, server, err := w.db.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // on the way out
	if err := w.begin(ctx, conn); err != nil {
		return fmt.Errorf("begin on %s: %w", w.db.host, err)
	}
	w.status.connected(ctx, server)
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		if err := w.write(context.WithoutCancel(ctx), conn); err != nil {
			return fmt.Errorf("write to %s: %w", w.db.host, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// begin takes the lock, after which no earlier session can still commit, makes
// the table where it is missing, and settles what is not known.
func (w *writer) begin(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, writes.Lock); err != nil {
		return fmt.Errorf("lock frontend_writes: %w", err)
	}
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('public.frontend_writes') IS NOT NULL`).Scan(&exists); err != nil {
		return fmt.Errorf("look for frontend_writes: %w", err)
	}
	if !exists {
		if _, err := conn.Exec(ctx, writes.Create); err != nil {
			return fmt.Errorf("create frontend_writes: %w", err)
		}
	}
	err := w.judge(ctx, func(ledger []writes.Entry) ([]writes.Entry, error) { return writes.Missing(ctx, conn, ledger) })
	if err != nil {
		return err
	}
	if err := w.settle(ctx, conn); err != nil {
		return err
	}
	var highest int64
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(n), 0) FROM public.frontend_writes`).Scan(&highest); err != nil {
		return fmt.Errorf("find the last number: %w", err)
	}
	w.resume(highest)
	return nil
}

// settle looks whether the row of unknown outcome stands before anything is
// tried again, so that nothing is doubled.
func (w *writer) settle(ctx context.Context, conn *pgx.Conn) error {
	if w.unknown == nil {
		return nil
	}
	stands, err := w.stands(ctx, conn, *w.unknown)
	if err != nil {
		return err
	}
	return w.settled(stands)
}

func (w *writer) write(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entry := w.entry()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO public.frontend_writes (writer, n, at, host) VALUES ($1, $2, $3, $4)`,
		entry.Writer, entry.N, entry.At, entry.Host)
	if err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	w.unknown = &entry
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	stands, err := w.stands(ctx, conn, entry)
	if err != nil {
		return err
	}
	if !stands {
		return w.vanished(entry)
	}
	w.unknown = nil
	w.next++
	return w.confirm(entry)
}

func (w *writer) stands(ctx context.Context, conn *pgx.Conn, entry writes.Entry) (bool, error) {
	var at time.Time
	err := conn.QueryRow(ctx, `SELECT at FROM public.frontend_writes WHERE writer = $1 AND n = $2`, entry.Writer, entry.N).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read row %d back: %w", entry.N, err)
	}
	if !at.Equal(entry.At) {
		return false, fmt.Errorf("read row %d back: it says %s, written was %s", entry.N, at, entry.At)
	}
	return true, nil
}
