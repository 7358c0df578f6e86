package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5/pgconn"
)

// pg_dump sorts what it writes by what the catalogs know. They do not know what
// a function reads, nor do we make everything in pg_dump's place: policies come
// from the catalogs, materialized views are filled at the end. So what cannot be
// made yet is tried again after the rest, until nothing moves any more.

// task is one thing to be made on the target.
type task struct {
	what string
	do   func(context.Context) error
	// rows tells that rows need it to be there.
	rows bool
	// later tells that it has its turn behind the rows, too.
	later bool
	err   error
	// entry or table is what it makes or fills, where a rehearsal looks for the rows
	// that break it.
	entry *entry
	table *table
}

// lost tells that trying again is of no use: rows break a key.
func (t task) lost() bool {
	var pg *pgconn.PgError
	if !errors.As(t.err, &pg) {
		return false
	}
	switch pg.Code {
	case "23503", "23505", "23P01": // foreign key, unique, exclusion
		return true
	}
	return false
}

// workOff does the tasks, in their order, and those that failed again as long as
// another one succeeded meanwhile. It gives what could not be done, with the last
// error of each. Any error that is not about the object ends it.
func workOff(ctx context.Context, tasks []task) ([]task, error) {
	for {
		var left []task
		for _, t := range tasks {
			if t.lost() {
				left = append(left, t)
				continue
			}
			if t.err = t.do(ctx); t.err == nil {
				continue
			}
			if aboutObject(t.err) == nil {
				return nil, t.failure()
			}
			left = append(left, t)
		}
		if len(left) == 0 || len(left) == len(tasks) {
			return left, nil
		}
		tasks = left
	}
}

// failure is why a task failed, with its object.
func (t task) failure() error {
	return classify(targetSide, fmt.Errorf("%s: %w", t.what, t.err))
}

// unmade names everything that could not be made, each with its reason, and the
// side that failed; where both did, each has its own.
func unmade(left []task) error {
	if len(left) == 1 {
		return left[0].failure()
	}
	errs := make([]error, len(left))
	first := known(left[0].failure())
	side := first.Side
	for i, t := range left {
		errs[i] = t.failure()
		if known(errs[i]).Side != side {
			side = ""
		}
	}
	for i, err := range errs {
		if of := known(err).Side; side == "" && of != "" {
			errs[i] = fmt.Errorf("on the %s: %w", of, err)
		}
	}
	return failf(side, first.Code, "%d objects could not be made: %w", len(left), errors.Join(errs...))
}

// known is an error that was classified.
func known(err error) *mover.Error {
	var known *mover.Error
	errors.As(classify("", err), &known)
	return known
}

// mustDo does the tasks, all of them.
func (d *databaseCopy) mustDo(ctx context.Context, tasks []task) error {
	left, err := workOff(ctx, tasks)
	left = slices.DeleteFunc(left, d.broken)
	if err == nil && len(left) > 0 {
		err = unmade(left)
	}
	return err
}

// tasks are those that make the dump's entries that pick selects, and give each
// object to its owner; a materialized view only once it is filled, because its
// owner may not be allowed to.
func (d *databaseCopy) tasks(pick func(entry) bool) []task {
	var tasks []task
	for _, e := range d.entries {
		if ownWork[e.desc] || !pick(e) {
			continue
		}
		made := false
		tasks = append(tasks, task{what: "create " + e.title(), entry: &e, rows: e.holdsRows(), do: func(ctx context.Context) error {
			if !made {
				if err := e.restore(ctx, d.target, d.adapted); err != nil {
					return err
				}
				made = true
			}
			if e.desc == matviewDesc {
				return nil // giveViews does
			}
			return e.give(ctx, d.target, d.adapted, d.admin)
		}})
	}
	return tasks
}
