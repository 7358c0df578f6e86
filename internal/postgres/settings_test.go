package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/jackc/pgx/v5"
)

// leftAlone are the settings about behaviour that a session of ours has as it
// finds them, and why that is right.
var leftAlone = map[string]string{
	"default_text_search_config": "what a view makes with it is the application's, and a configuration may not be there yet",
	"timezone_abbreviations":     "a zone is printed as a number, see DateStyle",
	"lc_messages":                "an error is told by its code",
	"client_min_messages":        "notices are not read",
	"password_encryption":        "passwords are carried as verifiers",
	"temp_tablespaces":           "where temporary files are",
	"dynamic_library_path":       "where libraries are", "local_preload_libraries": "is read before a session can say anything",
	"session_preload_libraries": "is read before a session can say anything", "extension_destdir": "where extensions are",
	"transaction_read_only": "is of a transaction", "transaction_isolation": "is of a transaction", "transaction_deferrable": "is of a transaction",
	"synchronize_seqscans": "rows have no order", "lo_compat_privileges": "gives more rights", "allow_system_table_mods": "gives more rights",
	"icu_validation_level": "a locale is the source's", "scram_iterations": "passwords are carried as verifiers", "md5_password_warnings": "notices are not read",
	"extension_control_path":     "where extensions are",
	"allow_in_place_tablespaces": "gives more rights", "update_process_title": "is for people",
}

// noBehaviour are settings of how long something takes and what is logged.
var noBehaviour = regexp.MustCompile(`^(tcp_|vacuum_|gin_pending|jit_|trace_|wal_|debug_|backtrace_|deadlock_|client_connection_check|force_parallel)`)

// TestEverySettingIsKnown asks real servers for the settings that a role or a
// database can have. One of behaviour is ours, or it stands above why not.
func TestEverySettingIsKnown(t *testing.T) {
	t.Parallel()
	ourNames := map[string]bool{}
	for _, o := range ours {
		ourNames[o.name] = true
	}
	for _, major := range []int{12, 14, 15} {
		s := pgtest.New(t, major)
		have := strings.Fields(s.Value(t, "postgres", `select string_agg(name, ' ') from pg_settings where context in ('user', 'superuser')`))
		telling := strings.Fields(s.Value(t, "postgres", `select string_agg(name, ' ' order by name) from pg_settings where context in ('user', 'superuser')
			and category !~ '^(Query Tuning|Resource Usage|Write-Ahead Log|Reporting and Logging|Statistics|Autovacuum)'`))
		for _, name := range telling {
			if !ourNames[name] && leftAlone[name] == "" && !noBehaviour.MatchString(name) {
				t.Errorf("PostgreSQL %d: setting %s is neither ours nor left alone for a reason", major, name)
			}
		}
		version := major * 10000
		for _, o := range ours {
			knows := o.known == nil || o.known(version) || o.name == "restrict_nonsystem_relation_kind"
			if knows != slices.Contains(have, o.name) && o.name != "role" { // which is not listed
				t.Errorf("PostgreSQL %d: setting %s is known: %t, by the list %t", major, o.name, !knows, knows)
			}
		}
	}
}

// wrong gives every setting of ours another value than ours.
func wrong(t *testing.T, s *pgtest.Server) map[string]string {
	t.Helper()
	values := map[string]string{"client_encoding": "latin1", "DateStyle": "German, DMY", "TimeZone": "Asia/Kathmandu", "search_path": "nowhere", "lc_monetary": "C.UTF-8",
		"lc_numeric": "C.UTF-8", "lc_time": "C.UTF-8", "default_tablespace": "nowhere", "default_table_access_method": "other", "restrict_nonsystem_relation_kind": "view",
		"role": "nobody", "extra_float_digits": "-15"}
	conn, err := s.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	for _, o := range ours {
		var kind string
		var enum []string
		err := conn.QueryRow(t.Context(), "select vartype, coalesce(enumvals, '{}') from pg_settings where name = $1", o.name).Scan(&kind, &enum)
		switch {
		case errors.Is(err, pgx.ErrNoRows) || values[o.name] != "":
		case err != nil:
			t.Fatal(err)
		case kind == "bool":
			values[o.name] = map[string]string{"on": "off", "off": "on"}[o.value]
		case kind == "enum":
			values[o.name] = enum[slices.IndexFunc(enum, func(v string) bool { return v != o.value })]
		case kind == "integer":
			values[o.name] = "1"
		default:
			t.Fatalf("say another value for setting %s than %q", o.name, o.value)
		}
	}
	return values
}

// levels are where a setting can stand besides the server.
var levels = []string{"database printed", "role postgres", "role postgres in database printed"}

// TestSessionsAgree gives a source and a target everything that changes how SQL
// and values are read and printed, at each level: pg_dump writes the same, our
// sessions read the same, and a move arrives.
func TestSessionsAgree(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12), target: pgtest.New(t, 15), admin: pgtest.Superuser}
	p.load(t, "printed", nil)
	p.source.Exec(t, "postgres", "create role nobody")
	p.target.Exec(t, "postgres", "create role nobody")
	before := printed(t, p.source)
	values := wrong(t, p.source)
	for _, level := range levels {
		p.set(t, p.source, level, sortedKeys(values), values)
		for name, is := range sessionOf(t, p.source, "printed") {
			if want := settingOf(name); is != want {
				t.Errorf("%s: our session has %s = %q, want %q", level, name, is, want)
			}
		}
		after := printed(t, p.source)
		for i, line := range before {
			if i >= len(after) || after[i] != line {
				t.Errorf("%s: printed otherwise: %q, before %q", level, after[min(i, len(after)-1)], line)
			}
		}
	}
	const unknown = "operator_precedence_warning" // to the target
	delete(values, unknown)
	for _, level := range levels {
		p.set(t, p.source, level, []string{unknown}, nil)
	}
	p.set(t, p.target, "role postgres", sortedKeys(values), values)
	p.copied(t)
	if got := printed(t, p.target); !slices.Equal(rowsOf(got), rowsOf(before)) {
		t.Errorf("the target has the rows\n%q\nwant\n%q", rowsOf(got), rowsOf(before))
	}
}

// set makes settings at a level, nil takes them back. A session of ours does it:
// any other would feel them.
func (p pair) set(t *testing.T, s *pgtest.Server, level string, names []string, values map[string]string) {
	t.Helper()
	err := testServer(t, s).with(t.Context(), "postgres", func(conn *pgx.Conn) error {
		for _, name := range names {
			sql := fmt.Sprintf("alter %s reset %s", level, ident(name))
			if value, ok := values[name]; ok {
				sql = fmt.Sprintf("alter %s set %s = %s", level, ident(name), literal(value))
			}
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func settingOf(name string) string {
	return ours[slices.IndexFunc(ours, func(o sessionSetting) bool { return o.name == name })].value
}

// testServer is a server as a mover knows it.
func testServer(t *testing.T, s *pgtest.Server) *server {
	t.Helper()
	side, err := newServer(sourceSide, endpoint(s, pgtest.Superuser), appPrefix+"/test")
	if err != nil {
		t.Fatal(err)
	}
	return side
}

// sessionOf reads what our settings are in a session of ours, the second one: the
// first does not know the server yet. It must see the same.
func sessionOf(t *testing.T, s *pgtest.Server, database string) map[string]string {
	t.Helper()
	side, values := testServer(t, s), map[string]string{}
	for range 2 {
		err := side.with(t.Context(), database, func(conn *pgx.Conn) error {
			for name := range side.settings(database) {
				var is string
				if err := conn.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&is); err != nil {
					return err
				}
				if before, ok := values[name]; ok && before != is {
					t.Errorf("the first session has %s = %q, the second %q", name, before, is)
				}
				values[name] = is
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return values
}

// printed is what pg_dump writes of a database, and what our sessions read.
func printed(t *testing.T, s *pgtest.Server) (lines []string) {
	t.Helper()
	side := testServer(t, s)
	tool, err := findDump(t.Context(), 15)
	if err != nil {
		t.Fatal(err)
	}
	err = side.with(t.Context(), "printed", func(conn *pgx.Conn) error {
		var snapshot string
		if _, err := conn.Exec(t.Context(), beginSnapshot); err != nil {
			return err
		}
		if err := conn.QueryRow(t.Context(), "select pg_export_snapshot()").Scan(&snapshot); err != nil {
			return err
		}
		entries, err := dumpSchema(t.Context(), side, tool, database{name: "printed", encoding: "UTF8"}, exported{id: snapshot})
		if err != nil {
			return err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.desc, "DATABASE") {
				continue // tells the settings themselves
			}
			lines = append(lines, e.sql)
		}
		recorded, err := (&job{source: side, target: side}).sourceSide(conn).record(t.Context(), database{name: "printed"})
		if err != nil {
			return err
		}
		for _, p := range recorded.policies {
			lines = append(lines, p.statement(naming{}))
		}
		for _, from := range []string{`"Values"`, `"Seen"`, `"Kept"`} {
			var rows string
			if err := conn.QueryRow(t.Context(), `select string_agg(v::text, ' ' order by v::text collate "C") from public.`+from+" v").Scan(&rows); err != nil {
				return err
			}
			lines = append(lines, "rows: "+rows)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func rowsOf(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "rows: ") })
}
