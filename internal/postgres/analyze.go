package postgres

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// analyzeJobs is how many tables of a database are analyzed at a time.
const analyzeJobs = 2

// analyze gives the planner what it needs before the application comes. It
// runs beside the copy of the next database.
func (d *databaseCopy) analyze() {
	d.progress.Enter("analyze", d.database.name, 0)
	d.analyzers.Go(func(ctx context.Context) error {
		return d.job.target.analyze(ctx, d.there(), d.adapted.appPath(d.there()))
	})
}

// analyze analyzes every table of a database, the biggest first. The tables
// are named, because the catalogs are the server's own. What has a foreign
// table below it is left out: analyzing it would ask that server for rows.
func (s *server) analyze(ctx context.Context, database, path string) error {
	return s.with(ctx, database, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `with recursive far(oid) as (
				select inhparent from pg_inherits i join pg_class f on f.oid = i.inhrelid and f.relkind = 'f'
				union select i.inhparent from far join pg_inherits i on i.inhrelid = far.oid)
			select `+qualified+" from "+relation("'r', 'p', 'm'")+
			" where (c.relkind <> 'm' or c.relispopulated) and c.oid not in (select oid from far) order by c.relpages desc, pg_relation_size(c.oid) desc")
		if err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
		var next atomic.Int64
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() error { return analyzeNext(gctx, conn, path, names, &next) })
		if len(names) >= manyTables {
			for range analyzeJobs - 1 {
				g.Go(func() error {
					return s.with(gctx, database, func(conn *pgx.Conn) error { return analyzeNext(gctx, conn, path, names, &next) })
				})
			}
		}
		return g.Wait()
	})
}

// manyTables is from when on a second session is worth its making.
const manyTables = 20

func analyzeNext(ctx context.Context, conn *pgx.Conn, path string, names []string, next *atomic.Int64) error {
	if _, err := conn.Exec(ctx, "set row_security = on; set synchronous_commit = off"); err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
		if err := execLeaning(ctx, conn, path, "analyze "+names[i], aboutRows); err != nil {
			return fmt.Errorf("analyze %s in database %q: %w", names[i], conn.Config().Database, err)
		}
	}
	return nil
}

// background runs work beside the copy. Its owner waits for it, also where
// the copy has failed.
type background struct {
	group *errgroup.Group
	ctx   context.Context
	stop  context.CancelFunc
}

func newBackground(ctx context.Context) *background {
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	return &background{group: group, ctx: ctx, stop: stop}
}

// Go starts work.
func (b *background) Go(f func(context.Context) error) { b.group.Go(func() error { return f(b.ctx) }) }

// abandon ends what still runs. After wait it does nothing.
func (b *background) abandon() {
	b.stop()
	_ = b.group.Wait() // the copy's own error is the one to report
}

func (b *background) wait() error { return b.group.Wait() }
