package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"unicode/utf8"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// isAside is true for a database that was set aside. No move carries or drops
// one: it is what a side took while another had its turn.
const isAside = `not datallowconn and datname ~ '__dr_e[0-9]+$'`

// kindCarried marks in dr.made, on both sides, the databases that a move
// carried. What the copy made there is marked "database" and "role".
const kindCarried = "carried"

// longestName is what PostgreSQL keeps of a name, in bytes.
const longestName = 63

// setAside renames the databases of a side that lost its turn and closes them:
// those that the move carried, for the server may be shared, and what somebody
// else made there is theirs. A run that was cut off between the two is
// recognised by the name.
func (m *job) setAside(ctx context.Context) (mover.SetAsideResult, error) {
	var result mover.SetAsideResult
	s := m.source
	mark, err := s.readLineage(ctx)
	if err != nil {
		return result, err
	}
	if mark == nil || mark.Installation != m.req.Installation || mark.State != stateSuperseded || mark.Epoch != m.req.Epoch {
		return result, failf(s.side, mover.CodeInconclusive, "set databases aside: this side did not lose its turn at epoch %d", m.req.Epoch)
	}
	carried, err := s.readCarried(ctx)
	if err != nil {
		return result, err
	}
	if len(carried) == 0 {
		return result, failf(s.side, mover.CodeInconclusive, "set databases aside: which databases a move carried is not on record in database %s; "+
			"insert ('carried', NAME) into dr.made there for each of them and run it again", ownDatabase)
	}
	own := map[string]string{} // by the name it has, the name it is kept under
	for _, name := range carried {
		aside := asideName(name, mover.AsideSuffix(m.req.Epoch))
		own[name], own[aside] = aside, aside
	}
	err = s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		all, err := listDatabases(ctx, conn, s.version)
		if err != nil {
			return err
		}
		for _, d := range connectable(all) {
			aside, ours := own[d.name]
			if !ours {
				result.LeftAlone = append(result.LeftAlone, d.name)
				continue
			}
			if err := s.closeAside(ctx, conn, d.name, aside); err != nil {
				return err
			}
		}
		rows, err := conn.Query(ctx, "select datname::text from pg_database where "+isAside+` and datname = any($1) order by datname collate "C"`, sortedKeys(own))
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

// closeAside gives a database its new name, unless it has that already, and
// closes it. PostgreSQL renames one only while nobody is connected.
func (s *server) closeAside(ctx context.Context, conn *pgx.Conn, name, aside string) error {
	if name != aside {
		if _, err := s.endSessions(ctx, conn, []string{name}); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "alter database "+ident(name)+" rename to "+ident(aside)); err != nil {
			return fmt.Errorf("rename database %q to %q: %w: %s", name, aside, err, sessionsOn(ctx, conn, name))
		}
	}
	if _, err := conn.Exec(ctx, "alter database "+ident(aside)+" with allow_connections false"); err != nil {
		return fmt.Errorf("close database %q: %w", aside, err)
	}
	return nil
}

// readCarried reads which databases the last move carried from or to a side;
// none where an older version of us moved them.
func (s *server) readCarried(ctx context.Context) (names []string, err error) {
	err = s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select name from dr.made where kind = $1 order by name", kindCarried)
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			return fmt.Errorf("read what a move carried: %w", err)
		}
		return nil
	})
	return names, err
}

// readCopied reads which databases the copy on a target is of.
func (s *server) readCopied(ctx context.Context) (names []string, err error) {
	err = s.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		counters, err := countersIn(ctx, conn, "dr.counter")
		names = sortedKeys(counters)
		return err
	})
	return names, err
}

// recordCarried notes which databases a move carried.
func recordCarried(ctx context.Context, tx pgx.Tx, names []string) error {
	batch := &pgx.Batch{}
	batch.Queue("delete from dr.made where kind = $1", kindCarried)
	for _, name := range names {
		batch.Queue("insert into dr.made (kind, name) values ($1, $2)", kindCarried, name)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("record what was carried: %w", err)
	}
	return nil
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
