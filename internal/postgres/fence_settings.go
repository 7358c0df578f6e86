package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// settingsToChange lists every setting of a role or database that speaks
// about read-only, because it would win over the server's; without ALTER
// SYSTEM also one for each database.
func (s *server) settingsToChange(ctx context.Context, conn *pgx.Conn) ([]priorSetting, error) {
	settings, err := readSettings(ctx, conn)
	if err != nil {
		return nil, err
	}
	changes := []priorSetting{}
	said := map[string]bool{}
	for _, have := range settings {
		if have.name == readOnly && have.database != ownDatabase {
			changes = append(changes, priorSetting{Database: have.database, Role: have.role, Value: &have.value})
			said[have.database+"\x00"+have.role] = true
		}
	}
	if s.superuser {
		return changes, nil
	}
	all, err := listDatabases(ctx, conn, s.version)
	if err != nil {
		return nil, err
	}
	for _, d := range connectable(all) {
		if !said[d.name+"\x00"] {
			changes = append(changes, priorSetting{Database: d.name})
		}
	}
	return changes, nil
}

// closeSettings turns the settings of roles and databases to read-only. One
// that is so already is left alone: setting it again would take a transaction
// number, and look like a write to the next reading.
func (s *server) closeSettings(ctx context.Context, conn *pgx.Conn, settings []priorSetting) error {
	have, err := readSettings(ctx, conn)
	if err != nil {
		return err
	}
	closed := map[priorSetting]bool{}
	for _, h := range have {
		if h.name == readOnly && h.value == "on" {
			closed[priorSetting{Database: h.database, Role: h.role}] = true
		}
	}
	for _, p := range settings {
		if closed[priorSetting{Database: p.Database, Role: p.Role}] {
			continue
		}
		if err := p.set(ctx, conn, "on"); err != nil {
			return err
		}
	}
	return nil
}

func (p priorSetting) set(ctx context.Context, conn *pgx.Conn, value string) error {
	sql := setting{database: p.Database, role: p.Role, name: readOnly, value: value}.statement()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("set %s of %s: %w", readOnly, setting{database: p.Database, role: p.Role}.subject(), err)
	}
	return nil
}

// restore puts back what stood before.
func (p priorSetting) restore(ctx context.Context, conn *pgx.Conn) error {
	if p.Value != nil {
		return p.set(ctx, conn, *p.Value)
	}
	if _, err := conn.Exec(ctx, "alter database "+ident(p.Database)+" reset "+readOnly); err != nil {
		return fmt.Errorf("reset %s of database %q: %w", readOnly, p.Database, err)
	}
	return nil
}

// autoConf reads what ALTER SYSTEM has set, nil when nothing.
func autoConf(ctx context.Context, conn *pgx.Conn, name string) (*string, error) {
	var value *string
	err := conn.QueryRow(ctx, `select setting from pg_file_settings where name = $1 and sourcefile like '%/postgresql.auto.conf'
		order by seqno desc limit 1`, name).Scan(&value)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read ALTER SYSTEM settings: %w", err)
	}
	return value, nil
}

// unfenced gives the settings as the application has them, without our fence.
func unfenced(settings []setting, f *standing) []setting {
	if f == nil {
		return settings
	}
	was := map[string]*string{}
	for _, p := range f.prior.Settings {
		was[p.Database+"\x00"+p.Role] = p.Value
	}
	var kept []setting
	for _, s := range settings {
		if s.name == readOnly {
			value, ours := was[s.database+"\x00"+s.role]
			if ours && value == nil {
				continue
			}
			if ours {
				s.value = *value
			}
		}
		kept = append(kept, s)
	}
	return kept
}
