package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"unicode/utf8"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/jackc/pgx/v5"
)

// isAside is true for a database that was set aside. No move carries or drops
// one: it is what a side took while another had its turn.
const isAside = `not datallowconn and datname ~ '__dr_e[0-9]+$'`

// longestName is what PostgreSQL keeps of a name, in bytes.
const longestName = 63

// setAside renames the databases of a side that lost its turn and closes them.
// A run that was cut off between the two is recognised by the name.
func (m *mover) setAside(ctx context.Context) (reconcile.SetAsideResult, error) {
	var result reconcile.SetAsideResult
	s := m.source
	mark, err := s.readLineage(ctx)
	if err != nil {
		return result, err
	}
	if mark == nil || mark.Installation != m.req.Installation || mark.State != stateSuperseded || mark.Epoch != m.req.Epoch {
		return result, failf(s.side, reconcile.CodeInconclusive, "set databases aside: this side did not lose its turn at epoch %d", m.req.Epoch)
	}
	suffix := reconcile.AsideSuffix(m.req.Epoch)
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		all, err := listDatabases(ctx, conn, s.version)
		if err != nil {
			return err
		}
		for _, d := range connectable(all) {
			name := d.name
			if !strings.HasSuffix(name, suffix) {
				if name, err = s.renameAside(ctx, conn, d.name, suffix); err != nil {
					return err
				}
			}
			if _, err := conn.Exec(ctx, "alter database "+ident(name)+" with allow_connections false"); err != nil {
				return fmt.Errorf("close database %q: %w", name, err)
			}
		}
		rows, err := conn.Query(ctx, "select datname::text from pg_database where "+isAside+` and datname like '%' || $1 order by datname collate "C"`,
			strings.ReplaceAll(suffix, "_", `\_`))
		if err == nil {
			result.Databases, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			return fmt.Errorf("list what was set aside: %w", err)
		}
		return nil
	})
	return result, err
}

// renameAside gives a database its new name. PostgreSQL does so only while
// nobody is connected.
func (s *server) renameAside(ctx context.Context, conn *pgx.Conn, name, suffix string) (string, error) {
	if _, err := s.endSessions(ctx, conn, []string{name}); err != nil {
		return "", err
	}
	aside := asideName(name, suffix)
	if _, err := conn.Exec(ctx, "alter database "+ident(name)+" rename to "+ident(aside)); err != nil {
		return "", fmt.Errorf("rename database %q to %q: %w: %s", name, aside, err, sessionsOn(ctx, conn, name))
	}
	return aside, nil
}

// asideName is the name a database is kept under. A name that would become too
// long is cut, and told from others by a hash: PostgreSQL would cut the suffix.
func asideName(name, suffix string) string {
	if len(name)+len(suffix) <= longestName {
		return name + suffix
	}
	tail := "_" + hashText(name) + suffix
	cut := longestName - len(tail)
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + tail
}

func hashText(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	return fmt.Sprintf("%08x", h.Sum32())
}
