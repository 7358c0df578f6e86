package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// How writes are noticed. Two readings under a fence must differ when one row
// was written between them, even by a session that switched read-only off.
//
// Statistics alone cannot promise that: up to PostgreSQL 14 a session reports
// them with a delay, over a socket that may drop. A transaction number can:
// every transaction that writes takes one, at once, and nothing else does
// once autovacuum rests (ANALYZE takes one too). So where we are superuser the
// fence also stops autovacuum, and LastWrite is the next transaction number.
// Our own records are written before the first reading.
//
// Where we are no superuser, autovacuum and a managed service's own heartbeat
// take numbers too. There LastWrite is a fingerprint of the catalogs (DDL and
// TRUNCATE change it), rows are counted by the tables' statistics, and other
// sessions are ended first, because a session reports what it wrote at its
// end. The readings are repeated until two in a row agree.

// Up to PostgreSQL 14 a collector passes statistics on twice a second, and a
// reading may be that old; later servers keep them in shared memory.
const (
	statsPause   = 700 * time.Millisecond
	sharedPause  = 100 * time.Millisecond
	sharedMemory = 150000
)

// xidFormat is LastWrite where it is the next transaction number.
const xidFormat = "xid %d"

// readCounters reads the write counters of the given databases.
func (s *server) readCounters(ctx context.Context, names []string, autovacuumRests bool) (map[string]mover.WriteCounter, error) {
	last, err := s.readCountersOnce(ctx, names, autovacuumRests)
	if err != nil || autovacuumRests {
		return last, err
	}
	for range 10 {
		wait := statsPause
		if s.version >= sharedMemory {
			wait = sharedPause
		}
		if err := process.Pause(ctx, wait); err != nil {
			return nil, err
		}
		next, err := s.readCountersOnce(ctx, names, false)
		if err != nil {
			return nil, err
		}
		if maps.Equal(last, next) {
			return next, nil
		}
		last = next
	}
	return nil, failf(s.side, mover.CodeMoved, "read write counters: they keep growing; something still writes")
}

func (s *server) readCountersOnce(ctx context.Context, names []string, autovacuumRests bool) (map[string]mover.WriteCounter, error) {
	counters := map[string]mover.WriteCounter{}
	var mu sync.Mutex
	err := s.each(ctx, names, func(ctx context.Context, name string, conn *pgx.Conn) error {
		c, err := counterOf(ctx, conn, autovacuumRests)
		mu.Lock()
		defer mu.Unlock()
		counters[name] = c
		return err
	})
	return counters, err
}

// sessionsAtOnce is how many short sessions are open at a time.
const sessionsAtOnce = 4

// each runs f in a session on every one of the databases, a few at a time.
func (s *server) each(ctx context.Context, names []string, f func(ctx context.Context, name string, conn *pgx.Conn) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sessionsAtOnce)
	for _, name := range names {
		g.Go(func() error {
			return s.with(gctx, name, func(conn *pgx.Conn) error { return f(gctx, name, conn) })
		})
	}
	return g.Wait()
}

func counterOf(ctx context.Context, conn *pgx.Conn, autovacuumRests bool) (c mover.WriteCounter, err error) {
	if autovacuumRests {
		err = conn.QueryRow(ctx, "select 'xid ' || txid_snapshot_xmax(txid_current_snapshot())").Scan(&c.LastWrite)
	} else {
		err = conn.QueryRow(ctx, `select coalesce(sum(n_tup_ins), 0)::bigint, coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_del), 0)::bigint,
			(`+catalogPrint+`)
			from pg_stat_all_tables where schemaname !~ '^pg_' and schemaname <> 'information_schema' or relid = 'pg_largeobject'::regclass`).Scan(&c.Inserted, &c.Updated, &c.Deleted, &c.LastWrite)
	}
	if err != nil {
		return c, fmt.Errorf("read write counters: %w", err)
	}
	return c, nil
}

// catalogPrint is a fingerprint of what a database's catalogs say about the
// user's objects. Every DDL statement and TRUNCATE changes it, because each row
// carries the number of the transaction that wrote it; VACUUM and ANALYZE write
// in place and do not.
var catalogPrint = func() string {
	const class = "(select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where " + userSchemas + ")"
	const schema = "(select n.oid from pg_namespace n where " + userSchemas + ")"
	var parts []string
	for _, p := range [][2]string{
		{"pg_class", "t.relnamespace in " + schema}, {"pg_attribute", "t.attrelid in " + class}, {"pg_attrdef", "t.adrelid in " + class},
		{"pg_constraint", "t.connamespace in " + schema}, {"pg_index", "t.indrelid in " + class}, {"pg_trigger", "t.tgrelid in " + class},
		{"pg_rewrite", "t.ev_class in " + class}, {"pg_policy", "t.polrelid in " + class}, {"pg_inherits", "t.inhrelid in " + class},
		{"pg_sequence", "t.seqrelid in " + class}, {"pg_statistic_ext", "t.stxrelid in " + class}, {"pg_proc", "t.pronamespace in " + schema},
		{"pg_type", "t.typnamespace in " + schema}, {"pg_operator", "t.oprnamespace in " + schema}, {"pg_opclass", "t.opcnamespace in " + schema},
		{"pg_opfamily", "t.opfnamespace in " + schema}, {"pg_collation", "t.collnamespace in " + schema},
		{"pg_conversion", "t.connamespace in " + schema}, {"pg_ts_config", "t.cfgnamespace in " + schema},
		{"pg_ts_dict", "t.dictnamespace in " + schema}, {"pg_namespace", "t.oid in " + schema},
		{"pg_enum", "true"}, {"pg_cast", "true"}, {"pg_language", "true"}, {"pg_extension", "true"}, {"pg_default_acl", "true"},
		{"pg_event_trigger", "true"}, {"pg_description", "true"}, {"pg_publication", "true"}, {"pg_publication_rel", "true"},
		{"pg_foreign_server", "true"}, {"pg_foreign_data_wrapper", "true"}, {"pg_largeobject_metadata", "true"},
	} {
		parts = append(parts, "select t.tableoid, t.ctid, t.xmin from "+p[0]+" t where "+p[1])
	}
	return "select 'catalog ' || count(*) || ' ' || coalesce(sum(hashtext(concat_ws(' ', f.tableoid, f.ctid, f.xmin))::numeric), 0) from (" +
		strings.Join(parts, " union all ") + ") f"
}()

// settle waits until no transaction that has written is still open. One that
// was prepared can commit at any time, fence or not: it is named instead.
func (s *server) settle(ctx context.Context, conn *pgx.Conn) error {
	var prepared string
	err := conn.QueryRow(ctx, "select coalesce(string_agg(quote_literal(gid) || ' in ' || database, ', '), '') from pg_prepared_xacts").Scan(&prepared)
	if err != nil {
		return fmt.Errorf("look for prepared transactions: %w", err)
	}
	if prepared != "" {
		return failf(s.side, mover.CodeUnsupported, "a fence does not hold prepared transactions: commit or roll back %s first", prepared)
	}
	for range 600 {
		var open bool
		// It holds a lock on its number; a snapshot shows no number above the last one that ended.
		err := conn.QueryRow(ctx, "select exists (select from pg_locks where locktype = 'transactionid' and mode = 'ExclusiveLock' and pid <> pg_backend_pid())").Scan(&open)
		if err != nil {
			return fmt.Errorf("look for open transactions: %w", err)
		}
		if !open {
			return nil
		}
		if err := process.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return fail(s.side, mover.CodeInconclusive, errors.New("wait for open transactions to end: one still writes after a minute"))
}
