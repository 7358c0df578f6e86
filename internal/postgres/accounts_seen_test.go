package postgres

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/jackc/pgx/v5"
)

// globalKinds are what is compared of a server, not of one of its databases.
var globalKinds = map[string]func(ctx context.Context, conn *pgx.Conn, version int) (any, error){
	"role": func(ctx context.Context, conn *pgx.Conn, version int) (any, error) {
		g, err := readGlobals(ctx, conn, true, version, "")
		return g.roles, err
	},
	"membership": func(ctx context.Context, conn *pgx.Conn, version int) (any, error) {
		g, err := readGlobals(ctx, conn, true, version, "")
		return g.members, err
	},
	"setting": func(ctx context.Context, conn *pgx.Conn, _ int) (any, error) { return readSettings(ctx, conn) },
	"database": func(ctx context.Context, conn *pgx.Conn, version int) (any, error) {
		list, err := listDatabases(ctx, conn, version)
		for i := range list {
			list[i].bytes, list[i].connectable = 0, false // they are not compared
		}
		return list, err
	},
}

// comparedColumnsAreSeen changes every column that the table calls compared, in
// the catalog itself, and looks whether what the proof reads is another. Each
// change is taken back.
func comparedColumnsAreSeen(t *testing.T, s *pgtest.Server, accounts map[string]account) {
	t.Helper()
	s.Exec(t, "postgres", "create database main")
	everyKind(t, s)
	conn, err := s.Connect(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	e := &eye{conn: conn, version: s.Major * 10000, before: map[string]string{}}
	if _, err := conn.Exec(t.Context(), "set search_path = pg_catalog; set statement_timeout = '3s'; set client_min_messages = error; begin"); err != nil {
		t.Fatal(err)
	}
	for _, key := range catalogColumns(t, s) {
		a := accounts[key]
		if a.how != "compared" || a.test != "" {
			continue
		}
		if why := e.sees(t.Context(), a); why != "" {
			t.Errorf("%s is not seen by %s: %s", key, strings.Join(a.by, ", "), why)
		}
	}
}

// eye reads what the proof would read.
type eye struct {
	conn    *pgx.Conn
	version int
	before  map[string]string // by kind
}

// sees tells why a change of a column is not seen, or nothing.
func (e *eye) sees(ctx context.Context, a account) (why string) {
	for _, kind := range a.by {
		if _, read := e.before[kind]; read {
			continue
		}
		var err error
		if e.before[kind], err = e.read(ctx, kind); err != nil {
			return "before the change: " + err.Error()
		}
	}
	changes, err := e.changes(ctx, a)
	if err != nil || len(changes) == 0 {
		return fmt.Sprintf("there is nothing to change: %v", err)
	}
	for _, change := range changes {
		if _, err := e.conn.Exec(ctx, "savepoint s"); err != nil {
			return err.Error()
		}
		_, err := e.conn.Exec(ctx, change)
		for _, kind := range a.by {
			var now string
			if err == nil {
				now, err = e.read(ctx, kind)
			}
			if err == nil && now != e.before[kind] {
				why = "seen"
			}
		}
		if err != nil {
			why = change + ": " + err.Error()
		}
		if _, err := e.conn.Exec(ctx, "rollback to s; release s"); err != nil {
			return change + ": " + err.Error()
		}
		if why == "seen" {
			return ""
		}
	}
	if why == "" {
		why = fmt.Sprintf("%d changes, such as %s", len(changes), changes[0])
	}
	return why
}

func (e *eye) read(ctx context.Context, kind string) (sum string, err error) {
	if read := globalKinds[kind]; read != nil {
		all, err := read(ctx, e.conn, e.version)
		return fmt.Sprint(all), err
	}
	err = e.conn.QueryRow(ctx, `with roles(f, t) as (select ''::text, ''::text where false) select coalesce(md5(string_agg(md5(concat_ws(chr(1), q.object, q.what, q.value)), ''
		order by q.object collate "C", q.what collate "C", q.value collate "C")), '') from (`+catalogByName(kind).query(e.version, e.version)+") q(object, what, value, of)").Scan(&sum)
	return sum, err
}

// changes are statements that give a column of a user's object another value:
// one that some object has, or one made up.
func (e *eye) changes(ctx context.Context, a account) ([]string, error) {
	var hasOID bool
	var first, typ string
	err := e.conn.QueryRow(ctx, `select exists (select from pg_attribute where attrelid = $1::regclass and attname = 'oid'), (select quote_ident(attname) from pg_attribute where attrelid = $1::regclass and attnum = 1),
		(select atttypid::regtype::text from pg_attribute where attrelid = $1::regclass and attname = $2)`, a.catalog, a.column).Scan(&hasOID, &first, &typ)
	if err != nil {
		return nil, err
	}
	if hasOID {
		first = "oid"
	}
	ours := "x." + first + " >= 16384 and not exists (select from pg_depend d where d.objid = x." + first + " and (d.deptype = 'e' or d.deptype = 'i' and d.classid <> 'pg_class'::regclass))"
	switch a.catalog {
	case "pg_db_role_setting", "pg_auth_members":
		ours = "true"
	case "pg_attribute":
		ours += " and x.attnum > 0 and exists (select from pg_class c where c.oid = x.attrelid and c.relkind in ('r', 'f'))"
	case "pg_depend":
		ours = "x.deptype = 'x'"
	}
	rows, err := e.conn.Query(ctx, fmt.Sprintf(`with ours as (select x.ctid, x.%[1]s::text as value, row_number() over (partition by x.%[1]s::text order by md5(x.ctid::text)) as n from %[3]s x where %[4]s),
		other as (select distinct on (x.%[1]s::text) x.ctid, x.%[1]s::text as value, %[4]s as ours from %[3]s x where x.%[1]s is not null order by x.%[1]s::text)
		select m.ctid::text, o.ctid::text from (select * from ours where n <= 6 order by n, value limit 20) m
			left join lateral (select o.ctid from other o where o.value is distinct from m.value order by o.ours desc, md5(o.value) limit 2) o on true`,
		a.column, first, a.catalog, ours))
	if err != nil {
		return nil, err
	}
	var changes, made []string
	var mine string
	var other *string
	_, err = pgx.ForEachRow(rows, []any{&mine, &other}, func() error {
		head, where := fmt.Sprintf("update %s set %s = ", a.catalog, a.column), " where ctid = '"+mine+"'"
		if other != nil {
			changes = append(changes, head+fmt.Sprintf("(select v.%s from %s v where v.ctid = '%s')", a.column, a.catalog, *other)+where)
		}
		for _, value := range madeUp[typ] {
			made = append(made, head+strings.ReplaceAll(value, "@", a.column)+where)
		}
		return nil
	})
	slices.Sort(made)
	return append(changes, slices.Compact(made)...), err
}

// madeUp are other values of a type, one of which should fit.
var madeUp = map[string][]string{
	"boolean": {"not @"}, "name": {"'circleci-dr'::name"}, "text": {"'other'"}, "smallint": {"@ + 1", "@ + 40"}, "integer": {"@ + 1", "@ + 40"}, "bigint": {"@ + 1"}, "real": {"@ + 0.5", "@ + 5"},
	"text[]": {"'{fillfactor=11}'"}, "aclitem[]": {"array[makeaclitem(0, 10, 'SELECT', false)]", "array[makeaclitem(0, 10, 'USAGE', false)]"}, "bytea": {"'other'::bytea"},
	`"char"`: {"'z'", "'a'", "'D'"}, "timestamp with time zone": {"'2031-01-01'"}, "regproc": {"'now'::regproc", "'textlen'::regproc"},
	"oid": {"'reader'::regrole", "'every.child'::regclass", "'every.counting'::regclass", "'every.mood'::regtype", "'every.touch'::regproc", "'pg_catalog'::regnamespace", "'bool'::regtype",
		"(select oid from pg_language where lanname = 'plpgsql')", "(select oid from pg_foreign_server where srvname = 'near')", "(select oid from pg_collation where collname = 'POSIX')", "(@::bigint + 1)::oid"},
	"oid[]": {"array['reader'::regrole::oid]", "array['bool'::regtype::oid]"}, "smallint[]": {"array[2::int2]"}, `"char"[]`: {"array_append(@[2:], 'o'::\"char\")"},
}

// everyKind makes objects of every kind that the server knows.
func everyKind(t *testing.T, s *pgtest.Server) {
	t.Helper()
	s.Exec(t, "postgres", everyRole)
	raw, err := os.ReadFile("testdata/everykind.sql")
	if err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "main", string(raw))
	for _, more := range []struct {
		since int
		sql   string
	}{{14, everySince14}, {15, everySince15}, {18, everySince18}} {
		if s.Major >= more.since {
			s.Exec(t, "main", more.sql)
		}
	}
}

const (
	everyRole = `create role app login password 'secret' valid until '2030-01-01' connection limit 3; create role reader createdb bypassrls; grant reader to app with admin option;
		comment on role app is 'ours'; comment on database main is 'ours'; alter role reader set work_mem = '5MB'`
	everySince14 = `set search_path = every; create function bodied(a int) returns int begin atomic select a + 1; end; alter table base alter m set not null, alter a set compression pglz;
		create statistics expressed on lower(a), n from base; alter statistics expressed set statistics 7; create publication rooted for table listed with (publish_via_partition_root = true)`
	everySince15 = `set search_path = every; create unique index undistinct on base (n) nulls not distinct; create publication filtered for table base (id, n) where (n > 5); create publication whole for tables in schema every;
		create collation icu (provider = icu, locale = 'de-u-co-phonebk'); alter table pointing add constraint sets foreign key (a, b) references keyed on delete set null (a)`
	everySince18 = `set search_path = every; create collation ruled (provider = icu, locale = 'en', rules = '& a < g'); alter table keyed add constraint unenforced check (c > 0) not enforced;
		create publication generated for table base with (publish_generated_columns = stored)`
)
