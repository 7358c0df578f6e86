package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/jackc/pgx/v5"
)

const (
	// waitLimit is how long somebody may wait on a lock of a rehearsal. Reading
	// a schema locks its tables against ALTER TABLE; what waits for that lock is
	// waited for by everybody else who wants the table.
	waitLimit = 2 * time.Second
	// lookPause is how often the watcher looks.
	lookPause = 500 * time.Millisecond
)

// waitedError says that we let go because somebody waited on us.
type waitedError struct {
	pid int
	on  string
}

func (e *waitedError) Error() string {
	return fmt.Sprintf("a session of the source (pid %d) waited for %s on %s, which we were reading", e.pid, waitLimit, e.on)
}

// letGo watches who waits on sessions of ours on the source, pg_dump's too. When
// somebody has for waitLimit, it ends these sessions, which frees their locks at
// once, and then the context it returns, with a *waitedError.
func (m *job) letGo(ctx context.Context) (context.Context, context.CancelFunc, error) {
	conn, err := m.source.connect(ctx, maintenance)
	if err != nil {
		return nil, nil, err
	}
	watched, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer closeConn(ctx, conn)
		if err := watchWaiters(watched, conn, m.source.label, cancel); err != nil && watched.Err() == nil {
			cancel(err)
		}
	}()
	return watched, func() { cancel(nil); <-done }, nil
}

// waitersQuery lists who waits on sessions with a label, and for which table.
// pg_locks shows every waiting session to everybody; pg_stat_activity does not.
const waitersQuery = `select w.pid, coalesce(format('%s %s', w.locktype, coalesce(c.relname::text, w.relation::text)), w.locktype)
	from pg_locks w left join pg_class c on c.oid = w.relation and w.database = (select oid from pg_database where datname = current_database())
	where not w.granted and exists (select from unnest(pg_blocking_pids(w.pid)) b join pg_stat_activity a on a.pid = b
		where a.usename = current_user and a.application_name = $1)`

func watchWaiters(ctx context.Context, conn *pgx.Conn, label string, cancel context.CancelCauseFunc) error {
	since := map[int]time.Time{}
	for process.Pause(ctx, lookPause) == nil {
		rows, err := conn.Query(ctx, waitersQuery, label)
		if err != nil {
			return fmt.Errorf("look who waits on us: %w", err)
		}
		still := map[int]time.Time{}
		var waited *waitedError
		var pid int
		var on string
		_, err = pgx.ForEachRow(rows, []any{&pid, &on}, func() error {
			began, seen := since[pid]
			if !seen {
				began = time.Now()
			}
			still[pid] = began
			if time.Since(began) >= waitLimit-lookPause {
				waited = &waitedError{pid: pid, on: on}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look who waits on us: %w", err)
		}
		since = still
		if waited == nil {
			continue
		}
		cancel(waited) // before its sessions end, which would give another reason
		leave, done := leaving(ctx)
		_, err = conn.Exec(leave, `select pg_terminate_backend(pid) from pg_stat_activity
			where usename = current_user and application_name = $1 and pid <> pg_backend_pid()`, label)
		done()
		if err != nil {
			return fmt.Errorf("let go of what others wait for: %w", err)
		}
		return waited
	}
	return nil
}
