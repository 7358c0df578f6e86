package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Two writers. A Job may run its pod twice, on two nodes, and neither knows of
// the other. The newest one wins: it writes its token into our database on
// the target, ends every session that carries another token, and then takes
// an advisory lock. The older one's sessions are gone; a session it opens
// afterwards reads the token before it does anything (guard), and stops.
// There is no gap: a session opened before the token changed is ended, one
// opened after it sees the change.

// lockKey is the advisory lock's number, in our own database only.
const lockKey = 0x63646472 // "cddr"

// holder is the right to write to the target.
type holder struct {
	conn  *pgx.Conn
	token string
}

// hold takes the target over from any older mover. The context it returns
// ends when a newer one takes over from us.
func (m *job) hold(ctx context.Context) (context.Context, *holder, error) {
	conn, err := m.target.connect(ctx, ownDatabase)
	if err != nil {
		return ctx, nil, err
	}
	h := &holder{conn: conn, token: m.token}
	if err := h.take(ctx); err != nil {
		closeConn(ctx, conn)
		return ctx, nil, classify(targetSide, err)
	}
	held, cancel := context.WithCancelCause(ctx)
	watch, err := m.target.connect(ctx, ownDatabase)
	if err != nil {
		closeConn(ctx, conn)
		cancel(err)
		return ctx, nil, err
	}
	go m.watchHolder(held, watch, cancel)
	return held, h, nil
}

// takeTime is how long an older mover's sessions may take to end.
const takeTime = 30 * time.Second

func (h *holder) take(ctx context.Context) error {
	_, err := h.conn.Exec(ctx, `insert into dr.holder (token) values ($1)
		on conflict (single) do update set token = excluded.token, since = clock_timestamp()`, h.token)
	if err != nil {
		return fmt.Errorf("take over the target: %w", err)
	}
	for try := 0; ; try++ {
		var left int
		err := h.conn.QueryRow(ctx, `select count(pg_terminate_backend(pid))::int from pg_stat_activity
			where usename = current_user and application_name like $1 and application_name <> $2 and pid <> pg_backend_pid()`,
			appPrefix+"/%", appPrefix+"/"+h.token).Scan(&left)
		if err != nil {
			return fmt.Errorf("end an older mover's sessions: %w", err)
		}
		var locked bool
		if err := h.conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", lockKey).Scan(&locked); err != nil {
			return fmt.Errorf("lock the target: %w", err)
		}
		if left == 0 && locked {
			return nil
		}
		if locked {
			if _, err := h.conn.Exec(ctx, "select pg_advisory_unlock_all()"); err != nil {
				return fmt.Errorf("unlock the target: %w", err)
			}
		}
		if try == int(takeTime/endPause) {
			return errors.New("lock the target: an older mover's session does not end")
		}
		if err := process.Pause(ctx, endPause); err != nil {
			return err
		}
	}
}

// answerTime is how long a server may keep silent before we give up. A network
// that is cut for good gives no error: what waits to be sent is sent again for
// a quarter of an hour, with the application stopped.
const answerTime = time.Minute

// watchHolder ends our work when our session on the target is ended, or when
// the target does not answer any more.
func (m *job) watchHolder(ctx context.Context, conn *pgx.Conn, cancel context.CancelCauseFunc) {
	defer closeConn(ctx, conn)
	for process.Pause(ctx, time.Second) == nil {
		look, end := context.WithTimeout(ctx, m.patience)
		err := guardOn(look, conn, m.token)
		late := look.Err() != nil && ctx.Err() == nil
		end()
		switch {
		case late:
			cancel(failf(targetSide, mover.CodeUnreachable, "the target has not answered for %s: %w", m.patience, err))
			return
		case err != nil:
			cancel(err)
			return
		}
	}
}

// guard fails when a newer mover has taken over. A rehearsal holds no more than
// what it made itself, and has no token to be taken from it.
func (h *holder) guard(ctx context.Context) error {
	if h.token == "" {
		return nil
	}
	return guardOn(ctx, h.conn, h.token)
}

func guardOn(ctx context.Context, conn *pgx.Conn, token string) error {
	var now string
	err := conn.QueryRow(ctx, "select token from dr.holder").Scan(&now)
	if err != nil {
		return classify(targetSide, fmt.Errorf("look who holds the target: %w", err))
	}
	if now != token {
		return failf(targetSide, mover.CodeOtherHolder, "a newer mover has taken over the target")
	}
	return nil
}

// orTakenOver turns an error into "a newer mover has taken over" when that is
// what happened: a session that a newer one ended fails like a broken network
// when it was writing at that moment.
func (m *job) orTakenOver(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil { // what was cut off by it says nothing
		err = classify(targetSide, cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(connectTimeout, m.patience))
	defer cancel()
	conn, lookErr := m.target.connect(ctx, ownDatabase)
	if lookErr == nil {
		defer closeConn(ctx, conn)
		lookErr = guardOn(ctx, conn, m.token)
	}
	var known *mover.Error
	if errors.As(lookErr, &known) && known.Code == mover.CodeOtherHolder {
		return lookErr
	}
	var ended *pgconn.PgError
	if errors.As(err, &known) && errors.As(err, &ended) && known.Code == mover.CodeOtherHolder {
		// Not by a newer mover, as far as can be told: the server was shut down.
		return fail(targetSide, mover.CodeUnreachable, known.Err)
	}
	return err // it could not be found out, or it is still ours
}

func (h *holder) release(ctx context.Context) { closeConn(ctx, h.conn) }
