package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

// databaseProof compares one database.
type databaseProof struct {
	*proof
	database   string
	record     *recordedDatabase // of the source
	snapshot   string            // that the source is read under, empty for one of our own
	sourceConn *pgx.Conn
	targetConn *pgx.Conn
	scratch    *pgx.Conn // where the target reads texts in, see reading
}

func (d *databaseProof) run(ctx context.Context) error {
	rehearses := d.facts.adapted.rehearses()
	if err := d.compareCatalogs(ctx); err != nil || rehearses && !d.facts.adapted.rows {
		return err
	}
	// What spelled a view out has locked its tables, which reading may alter (liftFor).
	if err := d.begin(ctx, "commit; "); err != nil {
		return err
	}
	if !rehearses { // no snapshot shows where a sequence stood
		if err := d.compareSequences(ctx); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{d.compareTables, d.compareMatviews, d.compareObjects} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// The kinds of digests: what the copy read on its way, and what only a proof reads.
const (
	tableDigest   = "table"
	storedDigest  = "table with its stored generated columns"
	viewDigest    = "materialized view"
	objectsDigest = "large objects"
)

// known is the digest of what the source holds, if it was taken before: by the copy
// on its way, or when the source was recorded.
func (d *databaseProof) known(kind, object string) (digest, bool) {
	if sum, ok := d.recorded[[3]string{d.database, kind, object}]; ok {
		return sum, true
	}
	sum, ok := d.record.digests[[2]string{kind, object}]
	return sum, ok
}

func plural(kind string) string {
	switch {
	case strings.HasSuffix(kind, "ex"):
		return kind + "es"
	case strings.HasSuffix(kind, "ss"):
		return kind + "es"
	case strings.HasSuffix(kind, "y"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}

func (d *databaseProof) compareSequences(ctx context.Context) error {
	want, err := d.record.positions(ctx, d.sourceConn)
	if err != nil {
		return classify(sourceSide, err)
	}
	have, err := listSequences(ctx, d.targetConn)
	if err != nil {
		return classify(targetSide, err)
	}
	there := map[string]sequence{}
	for _, s := range have {
		there[s.object] = s
	}
	for _, s := range want {
		d.Compared("sequence values", 1)
		other, ok := there[s.object]
		if ok && other != s {
			d.Differ(d.database, "sequence", s.object, "value differs", s.position(), other.position())
		}
	}
	return nil
}

func (s sequence) position() string {
	if s.called {
		return fmt.Sprintf("%d, used", s.last)
	}
	return fmt.Sprintf("%d, not used", s.last)
}

// compareTables compares row counts and digests. The target is always read
// again; the source only when the digests of the copy cannot be trusted.
func (d *databaseProof) compareTables(ctx context.Context) error {
	tables := d.record.tables
	onTarget, err := listTables(ctx, d.targetConn)
	if err != nil {
		return classify(targetSide, err)
	}
	there := map[string]table{}
	var total int64
	for _, t := range onTarget {
		there[t.object()] = t
	}
	for _, t := range tables {
		total += t.bytes
	}
	d.progress.Enter("compare rows", d.database, total)
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(d.req.Streams, len(tables)) {
		g.Go(func() error {
			r := &reader{proof: d.proof, database: d.database, snapshot: d.snapshot}
			defer r.close(gctx)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(tables) {
					return nil
				}
				other, ok := there[tables[i].object()]
				if !ok {
					continue // named by the catalog of tables
				}
				t, kind := tables[i], tableDigest
				if len(t.stored) > 0 { // the target has computed them itself, and the copy has not read them
					t, kind = t.withStored(), storedDigest
					r.Compared("tables with stored generated columns compared", 1)
				}
				want, ok := d.known(kind, t.object())
				if err := r.compare(gctx, t, other, want, ok); err != nil {
					return fmt.Errorf("compare table %s: %w", tables[i].shown(), err)
				}
			}
		})
	}
	return g.Wait()
}

// reader reads tables for the proof in sessions of its own.
type reader struct {
	*proof
	database       string
	snapshot       string
	source, target *wire
}

func (r *reader) close(ctx context.Context) {
	for _, w := range []*wire{r.source, r.target} {
		if w != nil {
			w.close(ctx)
		}
	}
}

// compare compares a table with the source's, whose digest may be known.
func (r *reader) compare(ctx context.Context, t, other table, want digest, known bool) error {
	if !known {
		var err error
		if want, err = r.read(ctx, r.proof.source, &r.source, t, t); err != nil {
			return err
		}
	}
	have, err := r.read(ctx, r.proof.target, &r.target, t, other)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "42") {
		// The columns differ, and that is named already; the rows are different then.
		r.Differ(r.database, "table", t.shown(), "rows cannot be compared: "+pg.Message, "", "")
		r.target = nil
		return nil
	}
	if err != nil {
		return err
	}
	r.Compared("tables with rows compared", 1)
	r.Compared("rows", int(want.rows))
	if want.rows != have.rows {
		r.Differ(r.database, "table", t.shown(), "row count differs", fmt.Sprint(want.rows), fmt.Sprint(have.rows))
	} else if want != have {
		r.Differ(r.database, "table", t.shown(), "content differs: same row count, other digest", want.String(), have.String())
	}
	return nil
}

// read digests a table on one side, with t's columns and format. What keeps a
// non-superuser from seeing every row (see liftFor) is lifted inside a
// transaction that is rolled back.
func (r *reader) read(ctx context.Context, s *server, w **wire, t, own table) (digest, error) {
	if *w == nil {
		pg, err := s.connectRaw(ctx, r.facts.adapted.on(s, r.database))
		if err != nil {
			return digest{}, err
		}
		*w = &wire{pg: pg}
	}
	if s.side == sourceSide && r.snapshot != "" {
		return r.readUnder(ctx, *w, t)
	}
	lift := liftFor(s, own)
	if t.planned() {
		lift = strings.TrimPrefix(lift+"; set local search_path = "+r.facts.adapted.appPath(r.facts.adapted.there(r.database)), "; ")
	}
	if lift != "" {
		if err := (*w).exec(ctx, "begin; set local lock_timeout = '10s'; "+lift); err != nil {
			return digest{}, classify(s.side, err)
		}
	}
	sum, _, err := (*w).readTable(ctx, t.copyOut(), t.binary, func(p []byte) error {
		if s.side == targetSide {
			r.progress.Add(t.shown(), len(p))
		}
		return nil
	})
	if err == nil && lift != "" {
		err = (*w).exec(ctx, "rollback")
	}
	return sum, classify(s.side, err)
}

// readUnder digests a table of the source as an exported snapshot shows it, in a
// transaction of its own. The application is at work there: nothing is lifted.
func (r *reader) readUnder(ctx context.Context, w *wire, t table) (sum digest, err error) {
	if err := w.begin(ctx, r.snapshot); err != nil {
		return sum, classify(sourceSide, err)
	}
	if t.planned() {
		if err := w.exec(ctx, "set local search_path = "+r.facts.adapted.appPath(r.facts.adapted.there(r.database))); err != nil {
			return sum, classify(sourceSide, err)
		}
	}
	sum, _, err = w.readTable(ctx, t.copyOut(), t.binary, nil)
	if err != nil {
		return sum, classify(sourceSide, err)
	}
	return sum, w.leave(ctx, t)
}

// liftFor is the statement that lets us see every row of a table as one who
// may act for its owner: row security may bind even the owner, and the owner
// may have taken its own rights away.
func liftFor(s *server, own table) string {
	var lift []string
	if own.forcedRLS && !s.superuser {
		lift = append(lift, "alter table "+own.object()+" no force row level security")
	}
	if !own.readable && !own.config {
		lift = append(lift, "grant select on "+own.object()+" to "+ident(s.endpoint.Username))
	}
	return strings.Join(lift, "; ")
}
