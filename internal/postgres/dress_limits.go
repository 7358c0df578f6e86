package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// A rehearsal with rows has limits, because the application is at work: how long
// it lasts, how many transactions its snapshot holds vacuum back for, and what is
// left of the disks. SQL does not tell how big a disk is: whoever asks for the
// rehearsal says so, and where nobody can, the result does.

const (
	// diskPause is between two looks at how full a disk is: a server sums up the
	// sizes of its files for it.
	diskPause = 10 * time.Second
	// diskReserve is the part of a disk that has to stay free.
	diskReserve = 0.05
	// oldestRow is how many transactions old the oldest row of a server may be.
	// 2^31 after it a server takes no more writes (PostgreSQL manual, preventing
	// transaction ID wraparound); vacuum has to have its way long before.
	oldestRow = 1_200_000_000
)

// biggerDisk is what helps a target without room.
const biggerDisk = "make the target's disk bigger, and diskGiB in the file with it"

// limitError says which limit ended a rehearsal.
type limitError struct{ limit, what, fix string }

func (e *limitError) Error() string {
	return "the rehearsal was ended by a limit (" + e.limit + "): " + e.what
}

// limited ends the context it returns with a *limitError when a limit is met,
// also when it is met already. The time needs no look: a server may take long to
// say how full its disk is.
func (m *job) limited(ctx context.Context, began time.Time) (context.Context, context.CancelFunc, error) {
	free := func() {}
	if limit := m.req.Limits.Time; limit > 0 {
		ctx, free = context.WithDeadlineCause(ctx, began.Add(limit), &limitError{mover.LimitTime, fmt.Sprintf("the rehearsal was ended after %s", limit),
			"give it more with --time-limit; the copy of a move has no such limit"})
	}
	w := &limitWatch{job: m}
	if err := w.begin(ctx); err != nil {
		w.close(ctx)
		if cause := context.Cause(ctx); cause != nil { // what was cut off by it says nothing
			err = cause
		}
		free()
		return nil, nil, err
	}
	watched, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer w.close(ctx)
		for process.Pause(watched, lookPause) == nil {
			if err := w.look(watched); err != nil && watched.Err() == nil {
				cancel(err)
			}
		}
	}()
	return watched, func() { cancel(nil); <-done; free() }, nil
}

// limitWatch looks at the limits in sessions of its own.
type limitWatch struct {
	*job
	source, target *pgx.Conn
	disks          time.Time // when they were looked at
}

// begin opens the sessions and looks for the first time.
func (w *limitWatch) begin(ctx context.Context) (err error) {
	if w.source, err = w.job.source.connect(ctx, maintenance); err != nil {
		return err
	}
	if w.target, err = w.job.target.connect(ctx, maintenance); err != nil {
		return err
	}
	return w.look(ctx)
}

func (w *limitWatch) close(ctx context.Context) {
	for _, conn := range []*pgx.Conn{w.source, w.target} {
		if conn != nil {
			closeConn(ctx, conn)
		}
	}
}

func (w *limitWatch) look(ctx context.Context) error {
	limits := w.req.Limits
	if err := w.lookBack(ctx, limits.XminAge); err != nil {
		return err
	}
	if time.Since(w.disks) < diskPause {
		return nil
	}
	w.disks = time.Now()
	for _, d := range []struct {
		server          *server
		conn            *pgx.Conn
		size            int64
		limit, how, fix string
	}{
		{w.job.source, w.source, limits.SourceDisk, mover.LimitSourceDisk, "what the application writes meanwhile stays until the snapshot is gone", "make the volume bigger, or run it when less is written"},
		{w.job.target, w.target, limits.TargetDisk, mover.LimitTargetDisk, "the rows take it, their indexes and the log of both", biggerDisk},
	} {
		used, err := usedDisk(ctx, d.conn)
		if err != nil {
			return classify(d.server.side, err)
		}
		if free := d.size - used; d.size > 0 && free < int64(float64(d.size)*diskReserve) {
			return &limitError{d.limit, fmt.Sprintf("%s of %s are free, and 5 %% have to stay so: %s", mover.Bytes(max(free, 0)), mover.Bytes(d.size), d.how), d.fix}
		}
	}
	return nil
}

// lookBack looks how far our sessions hold vacuum back on the source.
func (w *limitWatch) lookBack(ctx context.Context, limit int64) error {
	var held, oldest int64
	err := w.source.QueryRow(ctx, `select (select coalesce(max(age(backend_xmin)), 0) from pg_stat_activity where usename = current_user and application_name = $1),
		(select coalesce(max(age(datfrozenxid)), 0) from pg_database)`, w.job.source.label).Scan(&held, &oldest)
	switch {
	case err != nil:
		return classify(sourceSide, fmt.Errorf("look how far vacuum is held back: %w", err))
	case limit > 0 && held > limit:
		return &limitError{mover.LimitXminAge, fmt.Sprintf("vacuum could remove nothing of what %d transactions left behind, and %d are allowed", held, limit),
			"run it when less is written, or raise --xmin-age-limit"}
	case oldest > oldestRow:
		return &limitError{mover.LimitXminAge, fmt.Sprintf("the oldest row of the source is %d transactions old, and nothing may hold vacuum back there", oldest),
			"let vacuum (freeze) end on every database of the source first"}
	}
	return nil
}

// usedDisk is what a server's databases and its log take on disk, as far as our
// role may ask: the size of a database needs CONNECT on it or the privileges of
// pg_read_all_stats (PostgreSQL manual, database object size functions), which a
// member without INHERIT does not have.
func usedDisk(ctx context.Context, conn *pgx.Conn) (used int64, err error) {
	var mayAsk bool
	err = conn.QueryRow(ctx, `select coalesce(sum(pg_database_size(oid)), 0)::bigint, has_function_privilege('pg_ls_waldir()', 'execute')
		from pg_database where has_database_privilege(oid, 'connect') or pg_has_role('pg_read_all_stats', 'usage')`).Scan(&used, &mayAsk)
	var log int64
	if err == nil && mayAsk {
		err = conn.QueryRow(ctx, "select coalesce(sum(size), 0)::bigint from pg_ls_waldir()").Scan(&log)
	}
	if err != nil {
		return 0, fmt.Errorf("look how full the disk is: %w", err)
	}
	return used + log, nil
}

// unlimited are the limits that nobody could tell.
func unlimited(l *mover.RehearsalLimits) (left []string) {
	const unknown = "how full the %s's disk is: nobody says how big it is, so the rehearsal does not end before it is full"
	if l.SourceDisk == 0 {
		left = append(left, fmt.Sprintf(unknown, sourceSide))
	}
	if l.TargetDisk == 0 {
		left = append(left, fmt.Sprintf(unknown, targetSide))
	}
	return left
}
