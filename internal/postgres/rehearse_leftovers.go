package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// kindRehearsed marks in dr.made what a rehearsal is about to make, in front of
// "database" and "role".
const kindRehearsed = "rehearsed "

const (
	// rehearsalKey is the advisory lock of a rehearsal, in our own database.
	// It is not the copy's: a rehearsal never takes the target from a copy.
	rehearsalKey = lockKey + 1
	// rehearsalApp marks a rehearsal's sessions in pg_stat_activity.
	rehearsalApp = appPrefix + "-rehearsal"
	// cleanTime bounds the removal of what a rehearsal made, which goes on
	// after the rehearsal was interrupted. Rows may be many files.
	cleanTime = 5 * time.Minute
)

// stage is where a rehearsal plays: our session in our own database on the
// target, under the lock of rehearsals.
type stage struct {
	*job
	conn *pgx.Conn
}

// takeStage waits for no other rehearsal: one that still runs is an older pod of
// the same Job, or of a run that lost the lease, and it is ended.
func (m *job) takeStage(ctx context.Context) (*stage, error) {
	conn, err := m.target.connect(ctx, ownDatabase)
	if err != nil {
		return nil, err
	}
	s := &stage{job: m, conn: conn}
	if err := s.take(ctx); err != nil {
		closeConn(ctx, conn)
		return nil, classify(targetSide, err)
	}
	return s, nil
}

func (s *stage) take(ctx context.Context) error {
	var copying bool
	err := s.conn.QueryRow(ctx, `select exists (select from pg_locks l join pg_database d on d.oid = l.database
		where l.locktype = 'advisory' and l.granted and d.datname = current_database() and l.classid = 0 and l.objid = $1)`, lockKey).Scan(&copying)
	if err != nil {
		return fmt.Errorf("look whether a copy is running: %w", err)
	}
	if copying {
		return failf(targetSide, mover.CodeOtherHolder, "rehearse: a copy to this target is running")
	}
	if err := endRehearsals(ctx, s.conn, s.label()); err != nil {
		return err
	}
	return s.source.with(ctx, maintenance, func(conn *pgx.Conn) error { return endSessionsOf(ctx, conn, s.label()) })
}

// endSessionsOf ends the sessions of other rehearsals on a server.
func endSessionsOf(ctx context.Context, conn *pgx.Conn, label string) error {
	_, err := conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
		where usename = current_user and application_name like $1 and application_name <> $2 and pid <> pg_backend_pid()`, rehearsalApp+"/%", label)
	if err != nil {
		return fmt.Errorf("end an older rehearsal's sessions: %w", err)
	}
	return nil
}

// endRehearsals ends any other rehearsal on the target, and keeps new ones from
// beginning for as long as the session lasts.
func endRehearsals(ctx context.Context, own *pgx.Conn, label string) error {
	for try := 0; ; try++ {
		if err := endSessionsOf(ctx, own, label); err != nil {
			return classify(targetSide, err)
		}
		var locked bool
		if err := own.QueryRow(ctx, "select pg_try_advisory_lock($1)", rehearsalKey).Scan(&locked); err != nil || locked {
			return classify(targetSide, err)
		}
		if try == 100 {
			return failf(targetSide, mover.CodeFailed, "an older rehearsal's session on the target does not end")
		}
		if err := process.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *stage) leave(ctx context.Context) { closeConn(ctx, s.conn) }

// clear removes what rehearsals made, this one or any that was cut off, and then
// the record of it.
func (s *stage) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	return clearRehearsals(ctx, s.target, s.conn)
}

// clearRehearsals drops the databases of rehearsals, and then their roles, which
// own what is in them. Only what is on record under a name that no one else
// gives is touched.
func clearRehearsals(ctx context.Context, target *server, own *pgx.Conn) error {
	rows, err := own.Query(ctx, "select kind, name from dr.made where starts_with(kind, $1) order by kind, name", kindRehearsed)
	if err != nil {
		return classify(targetSide, fmt.Errorf("read what rehearsals made: %w", err))
	}
	made, err := pgx.CollectRows(rows, pgx.RowToStructByPos[kindAndName])
	if err != nil {
		return classify(targetSide, fmt.Errorf("read what rehearsals made: %w", err))
	}
	for _, m := range made { // "rehearsed database" comes before "rehearsed role"
		if !strings.HasPrefix(m.Name, rehearsalPrefix) {
			return failf(targetSide, mover.CodeFailed, "clear a rehearsal: %q is on record in database %s and has no name of a rehearsal; delete that row of dr.made", m.Name, ownDatabase)
		}
		if m.Kind == kindRehearsed+"database" {
			if err := target.dropDatabase(ctx, m.Name); err != nil {
				return err
			}
		} else if err := target.dropRole(ctx, m.Name); err != nil {
			return err
		}
		if _, err := own.Exec(ctx, "delete from dr.made where kind = $1 and name = $2", m.Kind, m.Name); err != nil {
			return classify(targetSide, fmt.Errorf("forget %s %q: %w", m.Kind, m.Name, err))
		}
	}
	return nil
}

type kindAndName struct{ Kind, Name string }

func (s *server) dropRole(ctx context.Context, name string) error {
	return s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "drop role if exists "+ident(name)); err != nil {
			return fmt.Errorf("drop role %q: %w", name, err)
		}
		return nil
	})
}
