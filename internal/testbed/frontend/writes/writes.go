// Package writes knows the table and the collection that the frontend numbers
// its rows and documents in, and how to count what was lost or doubled. It
// knows both databases and the ledger's format; it knows no cluster and starts
// nothing.
package writes

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
)

// Create makes the table. The frontend runs it where the table is missing.
const Create = `
CREATE TABLE public.frontend_writes (
    writer uuid NOT NULL,
    n bigint NOT NULL,
    at timestamptz NOT NULL,
    host text NOT NULL,
    PRIMARY KEY (writer, n)
)`

// Lock is the key of the advisory lock that a writing frontend holds: while
// its session lives nobody else writes, and once a later session has the lock
// the outcome of every earlier commit is settled.
const Lock int64 = 0x66726f6e74 // "front"

// Report is what stands in one database, and how it compares with the ledger.
type Report struct {
	Rows        int64            `json:"rows"`
	MinN        int64            `json:"minN"`
	MaxN        int64            `json:"maxN"`
	Gaps        int64            `json:"gaps"`    // numbers between 1 and MaxN that no row has
	Doubles     int64            `json:"doubles"` // rows beyond the first of each number
	FirstAt     time.Time        `json:"firstAt"`
	LastAt      time.Time        `json:"lastAt"`
	LongestGap  time.Duration    `json:"longestGapNanoseconds"` // between consecutive rows
	LongestFrom int64            `json:"longestGapAfterN"`      // the last row before that gap
	Hosts       map[string]int64 `json:"hosts"`                 // rows by the server they were written to
	Writers     map[string]int64 `json:"writers"`               // rows by frontend process
	Confirmed   int64            `json:"confirmed"`             // ledger entries, when a ledger was given
	Lost        []Entry          `json:"lost"`                  // confirmed to the frontend, and not in the table
	Unconfirmed int64            `json:"unconfirmed"`           // in the table, and never confirmed to the frontend
}

// Whole says that nothing was lost or doubled.
func (r Report) Whole() bool { return r.Gaps == 0 && r.Doubles == 0 && len(r.Lost) == 0 }

// String is the report on one line.
func (r Report) String() string {
	return fmt.Sprintf("%d rows, numbers %d to %d, %d gaps, %d doubled, %d lost of %d confirmed, longest gap %s after %d, by server %v",
		r.Rows, r.MinN, r.MaxN, r.Gaps, r.Doubles, len(r.Lost), r.Confirmed, r.LongestGap.Round(time.Millisecond), r.LongestFrom, r.Hosts)
}

// Count reads the table whole and counts.
func Count(ctx context.Context, conn *pgx.Conn) (Report, error) {
	rows, err := read(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	return count(rows), nil
}

// Audit counts as Count does and compares every row with the ledger, which
// knows what was confirmed even where the database has forgotten it.
func Audit(ctx context.Context, conn *pgx.Conn, ledger io.Reader) (Report, error) {
	rows, err := read(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	return audit(rows, ledger)
}

func audit(rows []Entry, ledger io.Reader) (Report, error) {
	entries, err := ReadLedger(ledger)
	if err != nil {
		return Report{}, err
	}
	report := count(rows)
	compare(&report, rows, entries)
	return report, nil
}

func read(ctx context.Context, conn *pgx.Conn) ([]Entry, error) {
	rows, err := conn.Query(ctx, `SELECT n, writer::text, at, host FROM public.frontend_writes ORDER BY n, at`)
	if err != nil {
		return nil, fmt.Errorf("read frontend_writes: %w", err)
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
	if err != nil {
		return nil, fmt.Errorf("read frontend_writes: %w", err)
	}
	return entries, nil
}

func count(rows []Entry) Report {
	r := Report{Rows: int64(len(rows)), Hosts: map[string]int64{}, Writers: map[string]int64{}}
	distinct := int64(0)
	for i, row := range rows {
		r.Hosts[row.Host]++
		r.Writers[row.Writer]++
		if i > 0 {
			if gap := row.At.Sub(rows[i-1].At); gap > r.LongestGap {
				r.LongestGap, r.LongestFrom = gap, rows[i-1].N
			}
		}
		if i == 0 || row.N != rows[i-1].N {
			distinct++
		}
	}
	if len(rows) == 0 {
		return r
	}
	first, last := rows[0], rows[len(rows)-1]
	r.MinN, r.MaxN, r.FirstAt, r.LastAt = first.N, last.N, first.At, last.At
	r.Doubles = r.Rows - distinct
	r.Gaps = r.MaxN - distinct // numbers start at 1
	return r
}

func compare(r *Report, rows, ledger []Entry) {
	type key struct {
		n      int64
		writer string
	}
	stands := make(map[key]bool, len(rows))
	for _, row := range rows {
		stands[key{row.N, row.Writer}] = true
	}
	r.Confirmed = int64(len(ledger))
	for _, entry := range ledger {
		k := key{entry.N, entry.Writer}
		if !stands[k] {
			r.Lost = append(r.Lost, entry)
			continue
		}
		delete(stands, k)
	}
	r.Unconfirmed = int64(len(stands))
}

// Missing returns the ledger's entries that the table does not have.
func Missing(ctx context.Context, conn *pgx.Conn, ledger []Entry) ([]Entry, error) {
	rows, err := read(ctx, conn)
	if err != nil {
		return nil, err
	}
	return missing(rows, ledger), nil
}

func missing(rows, ledger []Entry) []Entry {
	var r Report
	compare(&r, rows, ledger)
	return r.Lost
}
