package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// readWhole reads every row and every large object of the source and keeps
// nothing: before another side's data is given up, this one has to be known to
// be readable. It needs no fence and changes nothing.
func (m *job) readWhole(ctx context.Context) (mover.ReadResult, error) {
	began := time.Now()
	result := mover.ReadResult{At: began.UTC()}
	var databases []database
	err := m.source.with(ctx, maintenance, func(conn *pgx.Conn) (err error) {
		databases, err = listDatabases(ctx, conn, m.source.version)
		return err
	})
	if err != nil {
		return result, err
	}
	for _, d := range connectable(databases) {
		if err := m.readDatabase(ctx, d.name, &result); err != nil {
			return result, fmt.Errorf("read database %q: %w", d.name, err)
		}
	}
	result.Duration = time.Since(began)
	return result, nil
}

func (m *job) readDatabase(ctx context.Context, name string, result *mover.ReadResult) error {
	var tables []table
	err := m.source.with(ctx, name, func(conn *pgx.Conn) (err error) {
		if tables, err = listTables(ctx, conn); err != nil {
			return err
		}
		_, err = objectsOf(ctx, conn, nil)
		return err
	})
	if err != nil {
		return err
	}
	var total int64
	for _, t := range tables {
		total += t.bytes
	}
	path, err := m.source.plainSettings(ctx, name, "search_path")
	if err != nil {
		return err
	}
	m.progress.Enter("read", name, total)
	var next, rows, bytes atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(m.req.Streams, len(tables)) {
		g.Go(func() error {
			pg, err := m.source.connectRaw(gctx, name)
			if err != nil {
				return err
			}
			w := &wire{pg: pg}
			defer func() { w.close(gctx) }()
			for i := next.Add(1) - 1; i < int64(len(tables)); i = next.Add(1) - 1 {
				t := tables[i]
				sum, err := readTableUnder(gctx, w, t, path["search_path"], func(p []byte) error {
					bytes.Add(int64(len(p)))
					m.progress.Add(t.shown(), len(p))
					return nil
				})
				if err != nil {
					return classify(sourceSide, fmt.Errorf("read table %s: %w", t.shown(), err))
				}
				rows.Add(sum.rows)
			}
			return nil
		})
	}
	err = g.Wait()
	result.Tables, result.Rows, result.Bytes = result.Tables+len(tables), result.Rows+rows.Load(), result.Bytes+bytes.Load()
	return err
}

// readTableUnder reads a table, under the application's search path where that is
// needed.
func readTableUnder(ctx context.Context, w *wire, t table, path string, sink func([]byte) error) (digest, error) {
	begin := "begin read only"
	if t.planned() {
		begin += "; select set_config('search_path', " + literal(path) + ", true)"
	}
	if err := w.exec(ctx, begin); err != nil {
		return digest{}, err
	}
	sum, _, err := w.readTable(ctx, t.copyOut(), t.binary, sink)
	if err != nil {
		return digest{}, err
	}
	return sum, w.exec(ctx, "commit")
}
