package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// How long the fence waits for the server to tell new sessions of it, and for
// older ones to end.
const (
	reloadTime  = 5 * time.Second
	reloadPause = 50 * time.Millisecond
	endTime     = 30 * time.Second
	endPause    = 100 * time.Millisecond
)

// waitReadOnly waits until new sessions see the fence, or no longer see it: a
// reload reaches the postmaster by a signal.
func (s *server) waitReadOnly(ctx context.Context, databases []string, want, reloads bool) error {
	value := map[bool]string{true: "on", false: "off"}[want]
	for _, name := range databases {
		for try := 0; ; try++ {
			plain, err := s.plainSettings(ctx, name, readOnly)
			if err != nil {
				return err
			}
			got := plain[readOnly]
			if got == value {
				break
			}
			if !reloads || try == int(reloadTime/reloadPause) {
				return failf(s.side, mover.CodeFailed, "wait for %s = %s in database %q: new sessions see %q; is it set on the server's command line?", readOnly, value, name, got)
			}
			if err := process.Pause(ctx, reloadPause); err != nil {
				return err
			}
		}
	}
	return nil
}

// endSessions ends the client sessions on the given databases that began
// before now, and waits until they are gone. Sessions that begin later see
// the fence. It returns how many there were. A session is told by having a
// role: what kind of backend it is is hidden from one who is no superuser.
func (s *server) endSessions(ctx context.Context, conn *pgx.Conn, databases []string) (int, error) {
	const others = `from pg_stat_activity where usesysid is not null and pid <> pg_backend_pid()
		and datname = any($1) and backend_start < $2 and not (usename = current_user and application_name like 'circleci-dr%')`
	var since time.Time
	if err := conn.QueryRow(ctx, "select clock_timestamp()").Scan(&since); err != nil {
		return 0, fmt.Errorf("read the server's clock: %w", err)
	}
	var ended int
	if err := conn.QueryRow(ctx, "select count(*)::int "+others, databases, since).Scan(&ended); err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	for range endTime / endPause {
		var left int
		var who string
		err := conn.QueryRow(ctx, `select count(pg_terminate_backend(pid))::int, coalesce(string_agg(distinct coalesce(usename, '?') || ' on ' || datname, ', '), '') `+others,
			databases, since).Scan(&left, &who)
		if err != nil {
			return ended, fmt.Errorf("end sessions: %w", err)
		}
		if left == 0 {
			return ended, nil
		}
		if err := process.Pause(ctx, endPause); err != nil {
			return ended, err
		}
	}
	return ended, failf(s.side, mover.CodeInconclusive, "end sessions: some are still there after %s", endTime)
}
