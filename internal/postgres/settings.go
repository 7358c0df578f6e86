package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sessionSetting is a setting that every session of ours has, pg_dump's too,
// whatever the role, the database or the server say: it changes how SQL or
// values are read and printed, what a query gives, or whether a session lasts.
// Source: PostgreSQL's documentation, "Server Configuration", and pg_settings of
// the releases.
type sessionSetting struct {
	name, value string
	// known tells the versions that have it; nil is all. One that a server does
	// not know would end the start-up.
	known func(version int) bool
	// superuser tells that only a superuser may set it.
	superuser bool
	// felt tells that the application's functions can feel it: while a copy makes
	// indexes, checks and views from them, it is as the application has it. None
	// of these makes PostgreSQL read what we send it otherwise, but for
	// standard_conforming_strings, which the dump follows.
	felt bool
}

// backslashes decides what a backslash means in a string, and how one is
// printed. Function bodies are read with it each time they run.
const backslashes = "standard_conforming_strings"

// ours are the settings of our sessions.
var ours = []sessionSetting{
	// How SQL is read and printed.
	{name: backslashes, value: "on", felt: true},
	{name: "backslash_quote", value: "safe_encoding", felt: true},
	{name: "escape_string_warning", value: "off"},
	{name: "transform_null_equals", value: "off", felt: true},
	{name: "operator_precedence_warning", value: "off", known: before(140000)},
	{name: "quote_all_identifiers", value: "off"},
	{name: "array_nulls", value: "on"},
	{name: "search_path", value: ownPath},
	{name: "client_encoding", value: "UTF8"},
	{name: "check_function_bodies", value: "off"},

	// How values are.
	{name: "DateStyle", value: "ISO, MDY", felt: true},
	{name: "IntervalStyle", value: "postgres", felt: true},
	{name: "TimeZone", value: "UTC", felt: true},
	{name: "extra_float_digits", value: "3", felt: true},
	{name: "bytea_output", value: "hex", felt: true},
	{name: "xmlbinary", value: "base64", felt: true},
	{name: "xmloption", value: "content"},
	{name: "lc_monetary", value: "C"},
	{name: "lc_numeric", value: "C", felt: true},
	{name: "lc_time", value: "C", felt: true},

	// What a query gives.
	{name: "row_security", value: "off"}, // an error instead of fewer rows
	{name: "gin_fuzzy_search_limit", value: "0"},
	{name: "restrict_nonsystem_relation_kind", value: "", known: restrictsKinds},
	{name: "zero_damaged_pages", value: "off", superuser: true},
	{name: "ignore_checksum_failure", value: "off", superuser: true},

	// What CREATE makes of what it does not say, and what fires.
	{name: "default_tablespace", value: ""},
	{name: "default_table_access_method", value: "heap"},
	{name: "default_toast_compression", value: "pglz", known: from(140000)},
	{name: "createrole_self_grant", value: "", known: from(160000)},
	{name: "role", value: "none"},
	{name: "session_replication_role", value: "origin", superuser: true},
	{name: "event_triggers", value: "off", known: from(170000), superuser: true}, // those on login fire everywhere

	// Whether a session may write and how long it lasts.
	{name: "default_transaction_read_only", value: "off"},
	{name: "default_transaction_isolation", value: "read committed"},
	{name: "default_transaction_deferrable", value: "off"},
	{name: "exit_on_error", value: "off"},
	{name: "statement_timeout", value: "0"},
	{name: "lock_timeout", value: "0"},
	{name: "idle_in_transaction_session_timeout", value: "0"}, // the snapshot's holder idles
	{name: "idle_session_timeout", value: "0", known: from(140000)},
	{name: "transaction_timeout", value: "0", known: from(170000)},
	{name: "jit", value: "off"},
}

func from(version int) func(int) bool   { return func(v int) bool { return v >= version } }
func before(version int) func(int) bool { return func(v int) bool { return v < version } }

// restrictsKinds tells the releases that closed CVE-2024-7348.
func restrictsKinds(version int) bool {
	first := map[int]int{12: 20, 13: 16, 14: 13, 15: 8, 16: 4}
	minor, older := first[version/10000]
	return version >= 170000 || older && version%10000 >= minor
}

// oldest is the oldest version we know: what it has, every server has.
const oldest = 120000

// settings are those of a session on one database. Before the first connection
// the server's version is not known, nor whether we are superuser.
func (s *server) settings(database string) map[string]string {
	version := max(s.version, oldest)
	list := map[string]string{}
	for _, o := range ours {
		switch {
		case o.superuser && !s.superuser, o.known != nil && !o.known(version), s.version == 0 && o.known != nil:
			continue
		}
		list[o.name] = o.value
	}
	for name, value := range s.felt[database] {
		list[name] = value
	}
	return list
}

// catchUp gives a session what could not be said when it began.
func (s *server) catchUp(ctx context.Context, conn *pgx.Conn) error {
	given := conn.Config().RuntimeParams
	var late []string
	settings := s.settings(conn.Config().Database)
	for _, name := range sortedKeys(settings) {
		if _, ok := given[name]; !ok {
			late = append(late, "set "+name+" = "+literal(settings[name]))
		}
	}
	if len(late) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, strings.Join(late, "; ")); err != nil {
		return fmt.Errorf("set up the session: %w", err)
	}
	return nil
}

// plainSettings opens a session as any client would, without our own words on
// the named settings, and reads them.
func (s *server) plainSettings(ctx context.Context, database string, names ...string) (map[string]string, error) {
	cfg, err := s.config(database)
	if err != nil {
		return nil, fail(s.side, mover.CodeFailed, err)
	}
	for _, name := range names {
		delete(cfg.RuntimeParams, name)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("connect to database %q: %w", database, err))
	}
	defer closeConn(ctx, conn)
	values := map[string]string{}
	var name, value string
	rows, err := conn.Query(ctx, "select n, current_setting(n) from unnest($1::text[]) n", names)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { values[name] = value; return nil })
	}
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("read settings: %w", err))
	}
	return values, nil
}

// feeling gives a mover whose sessions run the application's functions as the
// application does: an index or a view that a function makes in another time
// zone, or with another meaning of a backslash, holds other values. The source's
// sessions follow in what a backslash means, so that what they print is read as
// it was meant.
func (m *job) feeling(ctx context.Context, databases []database) (*job, error) {
	source, target, felt := *m.source, *m.target, *m
	source.felt, target.felt = map[string]map[string]string{}, map[string]map[string]string{}
	felt.source, felt.target = &source, &target
	for _, d := range databases {
		values, err := m.from().felt(ctx, d.name)
		if err != nil {
			return nil, err
		}
		if target.felt[d.name], err = m.understood(ctx, d.name, values); err != nil {
			return nil, err
		}
		source.felt[d.name] = map[string]string{backslashes: values[backslashes]}
	}
	return &felt, nil
}

// feltNames are the settings that the application's functions can feel.
func feltNames() (names []string) {
	for _, o := range ours {
		if o.felt {
			names = append(names, o.name)
		}
	}
	return names
}

// asApplication gives a server whose sessions on a database run the application's
// functions as the application does there.
func (s *server) asApplication(ctx context.Context, database string) (*server, error) {
	values, err := s.plainSettings(ctx, database, feltNames()...)
	if err != nil {
		return nil, err
	}
	felt := *s
	felt.felt = map[string]map[string]string{database: values}
	return &felt, nil
}

// understood leaves out what the target does not take, such as a time zone or a
// locale it does not have; then it is as in our other sessions.
func (m *job) understood(ctx context.Context, database string, values map[string]string) (map[string]string, error) {
	taken := map[string]string{}
	err := m.target.with(ctx, maintenance, func(conn *pgx.Conn) error {
		for _, name := range sortedKeys(values) {
			_, err := conn.Exec(ctx, "select set_config($1, $2, false)", name, values[name])
			var pg *pgconn.PgError
			switch {
			case errors.As(err, &pg) && pg.Code == "22023": // invalid_parameter_value
				m.progress.Say("the target does not take %s = %s, which database %s has: what functions make is made without it", name, values[name], database)
			case err != nil:
				return fmt.Errorf("try setting %s: %w", name, err)
			default:
				taken[name] = values[name]
			}
		}
		return nil
	})
	return taken, err
}
