package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// inspect reads both sides at once. A side that cannot be read has its error;
// the other is read all the same.
func (m *job) inspect(ctx context.Context) mover.InspectResult {
	result := mover.InspectResult{At: time.Now().UTC(), PgDump: dumpMajors(ctx)}
	facts := &copyFacts{}
	var wg sync.WaitGroup
	look := func(s *server, into **mover.InspectedSide, f *sideFacts) {
		if s == nil {
			return
		}
		*into = &mover.InspectedSide{}
		wg.Go(func() {
			db, err := s.inspect(ctx, f)
			if err != nil {
				(*into).Code, (*into).Error = errorCode(err), err.Error()
				return
			}
			(*into).Database = db
		})
	}
	look(m.source, &result.Source, &facts.source)
	look(m.target, &result.Target, &facts.target)
	wg.Wait()
	if result.Source != nil && result.Source.Database != nil && result.Target != nil && result.Target.Database != nil {
		m.adaptBoth(ctx, facts, &result)
	}
	return result
}

// adaptBoth adds what follows from both sides together. What it asks a side and
// is not told is that side's failure.
func (m *job) adaptBoth(ctx context.Context, facts *copyFacts, result *mover.InspectResult) {
	facts.source.databases = connectable(facts.source.databases)
	names := databaseNames(facts.source.databases)
	functions, err := m.source.functionSettings(ctx, names)
	if err == nil {
		err = m.askSettings(ctx, facts, functions)
	}
	if err == nil {
		facts.adapted = adapt(facts.source.globals, facts.target.globals, facts.target.admin, m.req.OwnerMap, names)
		err = m.adaptPublic(ctx, facts)
	}
	if err != nil {
		failed := &mover.InspectedSide{Code: errorCode(err), Error: err.Error()}
		var known *mover.Error
		if errors.As(err, &known) && known.Side == targetSide {
			result.Target = failed
		} else {
			result.Source = failed
		}
		return
	}
	result.Adapted, result.Omitted = facts.adapted.lines, facts.adapted.omitted
	result.Blocked = slices.Concat(blocked(result.Source.Database, result.Target.Database), facts.adapted.blocked,
		facts.adapted.blockedFunctions(functions, facts.target.globals, facts.target.admin))
	slices.SortStableFunc(result.Blocked, func(a, b mover.UnsupportedObject) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Object, b.Object))
	})
	result.Uncarried = facts.adapted.keptRoles
	if !facts.adapted.targetSuperuser {
		return
	}
	missing, err := m.leftMissing(ctx, facts)
	if err != nil {
		result.Source = &mover.InspectedSide{Code: errorCode(err), Error: err.Error()}
		return
	}
	result.Uncarried = append(result.Uncarried, missing...)
}

func errorCode(err error) string {
	var known *mover.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return mover.CodeFailed
}

// inspect reads everything a plan wants to know about one side.
func (s *server) inspect(ctx context.Context, f *sideFacts) (*mover.Database, error) {
	db := &mover.Database{Settings: map[string]string{}, Extensions: map[string][]string{}}
	err := s.with(ctx, maintenance, func(conn *pgx.Conn) error { return s.inspectServer(ctx, conn, db) })
	if err != nil {
		return nil, err
	}
	if *f, err = s.facts(ctx); err != nil {
		return nil, err
	}
	for _, r := range f.globals.roles {
		db.Roles = append(db.Roles, mover.RoleInfo{Name: r.name, Superuser: r.super, CreateDB: r.createDB, CreateRole: r.createRole,
			Login: r.login, Replicate: r.replication, BypassRLS: r.bypassRLS})
	}
	db.Lineage = f.lineage
	for _, what := range sortedKeys(f.made) {
		if name, ok := strings.CutPrefix(what, kindCarried+" "); ok {
			db.Carried = append(db.Carried, name)
		}
	}
	if f.fence != nil {
		db.Fence = &f.fence.state
	}
	if err := s.inspectDatabases(ctx, f, db); err != nil {
		return nil, err
	}
	if err := s.inspectMaintenance(ctx, db); err != nil {
		return nil, err
	}
	if s.side == sourceSide {
		if db.Schema, err = s.schemaDigest(ctx, *f); err != nil {
			return nil, err
		}
	}
	if err := s.inspectLeft(ctx, db); err != nil {
		return nil, err
	}
	rests := f.fence != nil && f.fence.state.How == howSystem
	names := databaseNames(connectable(f.databases))
	if db.Counters, err = s.readCountersOnce(ctx, names, rests); err != nil {
		return nil, err
	}
	if everAuthoritative(f.lineage) {
		if db.Writes, err = s.writesSince(ctx, *f.lineage, names); err != nil {
			return nil, err
		}
	}
	return db, nil
}

// moveSettings are the server settings a move depends on.
const moveSettings = `{max_connections,superuser_reserved_connections,wal_level,shared_preload_libraries,password_encryption,
	default_transaction_read_only,max_locks_per_transaction,max_prepared_transactions,autovacuum_max_workers,autovacuum_worker_slots,
	max_worker_processes,max_wal_senders,data_checksums,server_encoding,ssl}`

func (s *server) inspectServer(ctx context.Context, conn *pgx.Conn, db *mover.Database) error {
	db.VersionNum, db.Presented = s.version, s.presented(conn)
	began := time.Now()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("measure latency: %w", err)
	}
	db.Latency = time.Since(began)
	err := conn.QueryRow(ctx, `select split_part(current_setting('server_version'), ' ', 1), r.rolname::text, r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolbypassrls, not r.rolinherit,
		coalesce((select array_agg(pg_get_userbyid(m.roleid)::text order by 1) from pg_auth_members m where m.member = r.oid and `+notRehearsed("pg_get_userbyid(m.roleid)", "''")+`), '{}'),
		coalesce((select version from pg_stat_ssl where pid = pg_backend_pid()), '')
		from pg_roles r where rolname = current_user`).
		Scan(&db.ServerVersion, &db.Role.Name, &db.Role.Superuser, &db.Role.CreateDB, &db.Role.CreateRole, &db.Role.BypassRLS, &db.Role.NoInherit, &db.Role.MemberOf, &db.TLSVersion)
	if err != nil {
		return fmt.Errorf("read server and role: %w", err)
	}
	if err := readSystemIdentifier(ctx, conn, db); err != nil {
		return err
	}
	var name, value string
	rows, err := conn.Query(ctx, "select name, setting from pg_settings where name = any($1::text[])", moveSettings)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { db.Settings[name] = value; return nil })
	}
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if err := inspectExtensions(ctx, conn, db); err != nil {
		return fmt.Errorf("read available extensions: %w", err)
	}
	return s.inspectSessions(ctx, conn, db)
}

func readSystemIdentifier(ctx context.Context, conn *pgx.Conn, db *mover.Database) error {
	var may bool
	if err := conn.QueryRow(ctx, "select has_function_privilege('pg_control_system()', 'execute')").Scan(&may); err != nil {
		return fmt.Errorf("read system identifier: %w", err)
	}
	if !may {
		return nil
	}
	if err := conn.QueryRow(ctx, "select system_identifier::text from pg_control_system()").Scan(&db.SystemIdentifier); err != nil {
		return fmt.Errorf("read system identifier: %w", err)
	}
	return nil
}

func (s *server) inspectSessions(ctx context.Context, conn *pgx.Conn, db *mover.Database) error {
	rows, err := conn.Query(ctx, "select distinct collname::text from pg_collation where collprovider in ('c', 'd') union select distinct collcollate::text from pg_collation where collcollate is not null order by 1")
	if err != nil {
		return fmt.Errorf("read locales: %w", err)
	}
	if db.Locales, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return fmt.Errorf("read locales: %w", err)
	}
	if err := conn.QueryRow(ctx, "select exists (select from pg_collation where collprovider = 'i')").Scan(&db.ICU); err != nil {
		return fmt.Errorf("look for ICU's locales: %w", err)
	}
	rows, err = conn.Query(ctx, `select coalesce(usename::text, ''), datname::text, count(*)::int from pg_stat_activity
		where usesysid is not null and datname is not null and pid <> pg_backend_pid()
		and not (usename = current_user and application_name like 'circleci-dr%') group by 1, 2 order by 1, 2`)
	if err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	db.Sessions, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c mover.SessionCount, err error) {
		return c, row.Scan(&c.Role, &c.Database, &c.Count)
	})
	if err != nil {
		return fmt.Errorf("count sessions: %w", err)
	}
	return nil
}

// inspectDatabases looks at a few databases at a time and keeps their order.
func (s *server) inspectDatabases(ctx context.Context, f *sideFacts, db *mover.Database) error {
	all := f.databases
	infos, found, left := make([]mover.DatabaseInfo, len(all)), make([][]mover.UnsupportedObject, len(all)), make([][]mover.Uncarried, len(all))
	settings := adapted{settings: f.globals.settings}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sessionsAtOnce)
	for i, d := range all {
		g.Go(func() (err error) {
			if infos[i], found[i], err = s.inspectDatabase(gctx, d); err != nil || !d.connectable {
				return err
			}
			var stale []mover.UnsupportedObject
			stale, left[i], err = s.inspectBeside(gctx, d.name, settings.appPath(d.name))
			found[i] = append(found[i], stale...)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	db.Databases, db.Unsupported, db.Uncarried = infos, slices.Concat(found...), slices.Concat(left...)
	return nil
}

func (s *server) inspectDatabase(ctx context.Context, d database) (mover.DatabaseInfo, []mover.UnsupportedObject, error) {
	info := mover.DatabaseInfo{Name: d.name, Owner: d.owner, Encoding: d.encoding, Collate: d.collate, CType: d.ctype, Bytes: d.bytes}
	if d.provider == providerICU {
		info.ICULocale = d.locale
	}
	if !d.connectable {
		return info, []mover.UnsupportedObject{unsupported(d.name, "database "+d.name, "closed")}, nil
	}
	var found []mover.UnsupportedObject
	err := s.with(ctx, d.name, func(conn *pgx.Conn) (err error) {
		err = conn.QueryRow(ctx, `select count(*)::int, coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, (select count(*)::int from pg_largeobject_metadata)
			from `+relation("'r'")).Scan(&info.Tables, &info.Rows, &info.Objects)
		if err != nil {
			return fmt.Errorf("count tables: %w", err)
		}
		if info.Empty, err = isEmpty(ctx, conn); err != nil {
			return err
		}
		extensions, err := listExtensions(ctx, conn)
		if err != nil {
			return err
		}
		info.Extensions = map[string]string{}
		for _, e := range extensions {
			info.Extensions[e.name] = e.version
		}
		if err := holdings(ctx, conn, &info); err != nil {
			return err
		}
		found, err = s.unsupportedIn(ctx, conn, d.name)
		return err
	})
	return info, found, err
}

// inspectMaintenance looks at the databases a move leaves where they are:
// the maintenance database and templates. It says so when somebody uses them.
func (s *server) inspectMaintenance(ctx context.Context, db *mover.Database) error {
	return s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		empty, err := isEmpty(ctx, conn)
		if err != nil {
			return err
		}
		if !empty {
			db.Unsupported = append(db.Unsupported, unsupported(maintenance, "database "+maintenance, "maintenance"))
		}
		rows, err := conn.Query(ctx, "select datname::text from pg_database where datistemplate and datname not in ('template0', 'template1') order by 1")
		if err != nil {
			return fmt.Errorf("list templates: %w", err)
		}
		templates, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, name := range templates {
			db.Unsupported = append(db.Unsupported, unsupported(name, "database "+name, "template"))
		}
		return err
	})
}
