package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"github.com/jackc/pgx/v5"
)

// writer is the frontend: it numbers rows without a gap, one transaction each,
// and counts a row only when it was committed and read back.
type writer struct {
	db       database
	status   *tracker
	ledger   *writes.Ledger
	known    []writes.Entry // the ledger as found; compared once, then dropped
	every    time.Duration
	instance string
	next     int64
	unknown  *writes.Entry // tried, and nobody knows whether it stands
	last     writes.Entry  // confirmed last, by this process or one before it
}

func newWriter(db database, status *tracker) (*writer, error) {
	every, err := time.ParseDuration(os.Getenv("WRITE_INTERVAL"))
	if err != nil {
		return nil, fmt.Errorf("read settings: WRITE_INTERVAL: %w", err)
	}
	if every <= 0 {
		return nil, errors.New("read settings: WRITE_INTERVAL must be positive")
	}
	ledger, known, err := writes.OpenLedger(os.Getenv("LEDGER"))
	if err != nil {
		return nil, err
	}
	w := &writer{db: db, status: status, ledger: ledger, known: known, every: every, instance: newUUID()}
	status.change(func(s *Status) {
		s.Instance = w.instance
		s.Writes = &Writes{Hosts: map[string]int64{}}
		for _, entry := range known {
			w.account(s.Writes, entry)
		}
	})
	return w, nil
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
	if err := w.judge(ctx, conn); err != nil {
		return err
	}
	if err := w.settle(ctx, conn); err != nil {
		return err
	}
	var highest int64
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(n), 0) FROM public.frontend_writes`).Scan(&highest); err != nil {
		return fmt.Errorf("find the last number: %w", err)
	}
	w.next = max(highest, w.last.N) + 1
	return nil
}

// judge compares the ledger of the processes before this one with the
// database, once.
func (w *writer) judge(ctx context.Context, conn *pgx.Conn) error {
	if w.known == nil {
		return nil
	}
	lost, err := writes.Missing(ctx, conn, w.known)
	if err != nil {
		return err
	}
	w.known = nil
	if len(lost) > 0 {
		w.status.change(func(s *Status) { s.Writes.Lost = int64(len(lost)) })
		w.status.log.ErrorContext(ctx, "confirmed rows are not in the database", "host", w.db.host, "lost", len(lost), "first", lost[0], "last", lost[len(lost)-1])
	}
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
	entry := *w.unknown
	w.unknown = nil
	if stands {
		w.status.change(func(s *Status) { s.Writes.Adopted++ })
		return w.confirm(entry)
	}
	w.status.change(func(s *Status) { s.Writes.Retried++ })
	return nil
}

func (w *writer) write(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entry := writes.Entry{N: w.next, Writer: w.instance, At: time.Now().UTC().Truncate(time.Microsecond), Host: w.db.host}
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
		w.status.change(func(s *Status) { s.Writes.Vanished++ })
		return fmt.Errorf("row %d was committed and is not there", entry.N)
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

// confirm puts the entry into the ledger and into the account.
func (w *writer) confirm(entry writes.Entry) error {
	if err := w.ledger.Add(entry); err != nil {
		return err
	}
	w.status.change(func(s *Status) {
		s.Writes.Confirmed++
		s.LastOK = time.Now()
		w.account(s.Writes, entry)
	})
	return nil
}

func (w *writer) account(s *Writes, entry writes.Entry) {
	if pause := entry.At.Sub(w.last.At).Seconds(); !w.last.At.IsZero() && pause > s.Pause.Seconds {
		s.Pause = Pause{Seconds: pause, From: w.last.At, To: entry.At, AfterN: w.last.N}
	}
	s.Total++
	s.Hosts[entry.Host]++
	s.LastN, s.LastAt = entry.N, entry.At
	w.last = entry
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
