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

// objectNames are settings whose value is the name of something that a move brings
// along, or that ALTER … SET takes whether it is there or not.
var objectNames = map[string]bool{
	"role": true, "session_authorization": true, "default_tablespace": true, "temp_tablespaces": true,
	"default_text_search_config": true, "default_table_access_method": true,
}

// settingValue is a setting with its value, as a key.
type settingValue struct{ name, value string }

// readSettable reads which settings a server knows, and which of them our role
// may not set. From PostgreSQL 15 on anybody can be allowed to set one, also one
// that no module has defined yet.
func (g *globals) readSettable(ctx context.Context, conn *pgx.Conn, version int) error {
	query := "select name, context in ('superuser', 'superuser-backend'), context in ('backend', 'superuser-backend') from pg_settings"
	if version >= 150000 {
		query = `select name, context in ('superuser', 'superuser-backend') and not has_parameter_privilege(name, 'SET'), context in ('backend', 'superuser-backend') from pg_settings
			union select parname, false, false from pg_parameter_acl where has_parameter_privilege(parname, 'SET')`
	}
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	g.superOnly, g.atStart = map[string]bool{"role": false}, map[string]bool{} // pg_settings leaves it out
	var name string
	var superOnly, atStart bool
	_, err = pgx.ForEachRow(rows, []any{&name, &superOnly, &atStart}, func() error {
		g.superOnly[name], g.atStart[name] = superOnly, atStart
		return nil
	})
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	return nil
}

// refusals asks the server whether it takes the values that settings have on
// another one: names are gone, values are spelled otherwise, ranges differ, and
// only the server itself knows all of its rules. Each is set in a transaction
// that is rolled back, which takes no transaction number. What only a session's
// start can set cannot be asked.
func (s *server) refusals(ctx context.Context, own globals, wanted []settingValue) (map[settingValue]string, error) {
	refused := map[settingValue]string{}
	var ask []settingValue
	for _, w := range wanted {
		superOnly, known := own.superOnly[w.name]
		if objectNames[w.name] || own.atStart[w.name] || !s.superuser && (superOnly || !known && strings.Contains(w.name, ".")) {
			continue // or nobody asks, as it will not be set
		}
		if _, asked := refused[w]; !asked {
			refused[w] = ""
			ask = append(ask, w)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	err := s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		for _, w := range ask {
			why, err := refuses(ctx, conn, w)
			if err != nil {
				return err
			}
			if refused[w] = why; why == "" {
				delete(refused, w)
			}
		}
		return nil
	})
	return refused, err
}

// refuses gives the server's words, empty when it takes the value. All of it is
// one message: a time limit that is tried does not end the session.
func refuses(ctx context.Context, conn *pgx.Conn, w settingValue) (string, error) {
	_, err := conn.PgConn().Exec(ctx, "begin; select pg_catalog.set_config("+literal(w.name)+", "+literal(w.value)+", true); rollback").ReadAll()
	if err == nil {
		return "", nil
	}
	if _, end := conn.PgConn().Exec(ctx, "rollback").ReadAll(); end != nil {
		return "", fmt.Errorf("ask whether setting %s is taken: %w", w.name, errors.Join(err, end))
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return "", fmt.Errorf("ask whether setting %s is taken: %w", w.name, err)
	}
	return pg.Message, nil
}

// askSettings finds which of the source's settings the target refuses.
func (m *job) askSettings(ctx context.Context, f *copyFacts, functions []functionSetting) (err error) {
	var wanted []settingValue
	for _, s := range f.source.globals.settings {
		wanted = append(wanted, settingValue{s.name, s.value})
	}
	for _, s := range functions {
		wanted = append(wanted, s.settingValue)
	}
	f.target.globals.refused, err = m.target.refusals(ctx, f.target.globals, wanted)
	return err
}

// functionSetting is the SET clause of a function.
type functionSetting struct {
	database, function string
	settingValue
}

var functionSettingsQuery = `select o.oid::regprocedure::text, split_part(c.item, '=', 1), substr(c.item, strpos(c.item, '=') + 1)
	from pg_proc o cross join unnest(o.proconfig) c(item) where o.oid >= 16384 and ` + notOfExtension("pg_proc", "o.oid") + ` order by 1, 2`

// functionSettings reads the SET clauses of every database.
func (s *server) functionSettings(ctx context.Context, databases []string) ([]functionSetting, error) {
	found := make(chan []functionSetting, len(databases))
	err := s.each(ctx, databases, func(ctx context.Context, name string, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, functionSettingsQuery)
		if err != nil {
			return fmt.Errorf("read settings of functions in database %q: %w", name, err)
		}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (functionSetting, error) {
			f := functionSetting{database: name}
			err := row.Scan(&f.function, &f.name, &f.value)
			return f, err
		})
		if err != nil {
			return fmt.Errorf("read settings of functions in database %q: %w", name, err)
		}
		found <- list
		return nil
	})
	if err != nil {
		return nil, err
	}
	close(found)
	var all []functionSetting
	for list := range found {
		all = append(all, list...)
	}
	return all, nil
}

// blockedFunctions are the functions whose SET clause the target does not take.
// Without it a function would do something else, so that it is not left out.
func (a adapted) blockedFunctions(functions []functionSetting, target globals, to admin) []mover.UnsupportedObject {
	var list []mover.UnsupportedObject
	for _, f := range functions {
		why, fix := a.settingLeft(f.settingValue, target, to)
		if why == "" {
			continue
		}
		if fix == "" {
			fix = "alter function … reset " + f.name + " on the source, or give it a value that the target takes"
		}
		list = append(list, mover.UnsupportedObject{Database: f.database, Object: "function " + f.function + " with a setting of " + f.name, Reason: why, Fix: fix})
	}
	return list
}

// settingLeft says why the target does not get a setting, empty when it does;
// and what helps, where that is something on the target.
func (a adapted) settingLeft(s settingValue, target globals, to admin) (why, fix string) {
	superOnly, known := target.superOnly[s.name]
	words := target.refused[s]
	switch {
	case words != "":
		return fmt.Sprintf("PostgreSQL %d on the target does not take it: %s", target.version/10000, words), ""
	case to.superuser || known && !superOnly:
		return "", ""
	case target.version >= 150000:
		return "only a superuser may set it there", fmt.Sprintf("as the target's superuser: grant set on parameter %s to %s", settingName(s.name), ident(to.name))
	}
	return "only a superuser may set it there", "log in on the target as a superuser, or reset it on the source"
}

// leaveSetting notes a setting that the target does not get.
func (a *adapted) leaveSetting(s setting, why, fix string) {
	if fix == "" {
		fix = "reset it on the source if nobody needs it; what took its place can be set on the target after the move"
	}
	a.note("setting %s of %s is not carried: %s", s.name, s.subject(), why)
	a.omitted = append(a.omitted, mover.UnsupportedObject{Database: s.database, Object: "setting " + s.name + " of " + s.subject(), Reason: why, Fix: fix})
}
