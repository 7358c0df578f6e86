package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// restoreEarlier makes, before rows, what is otherwise made behind them, because a
// table needs it: a column may hold the row of a materialized view that groups by
// a primary key. pg_dump fails there. Only the keys that views need are made so
// early, for rows arrive faster without.
func (d *databaseCopy) restoreEarlier(ctx context.Context, left []task) ([]task, error) {
	for _, e := range d.entries {
		if e.section != sectionPost || e.desc != matviewDesc && !d.record.viewKeys[e.key()] {
			continue
		}
		left = append(left, task{what: "create " + e.title(), later: true, do: func(ctx context.Context) error {
			err := e.restore(ctx, d.target, d.adapted)
			d.made[e.key()] = err == nil
			return err
		}})
	}
	left, err := workOff(ctx, left)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(left, neededByRows) {
		return nil, unmade(left)
	}
	return slices.DeleteFunc(left, func(t task) bool { return t.later }), nil
}

// keysOfViews lists the keys that views need.
const keysOfViews = `select distinct refclassid, refobjid from pg_depend
	where classid = 'pg_rewrite'::regclass and refclassid = 'pg_constraint'::regclass`

func (r *recordedDatabase) readViewKeys(rows pgx.Rows) error {
	r.viewKeys = map[[2]uint32]bool{}
	var key [2]uint32
	_, err := pgx.ForEachRow(rows, []any{&key[0], &key[1]}, func() error { r.viewKeys[key] = true; return nil })
	return err
}

// restorePost makes what is left: foreign keys, triggers, rules, indexes of
// partitioned tables, and what waited for these. Policies come from the catalogs,
// as they name roles. Materialized views are filled once every view is what it is
// to be, for pg_dump makes some as an empty shell first. What is left then may have
// waited for that: an index may call a function that reads one.
func (d *databaseCopy) restorePost(ctx context.Context) error {
	d.progress.Enter("constraints", d.database.name, 0)
	tasks := d.left
	for _, p := range d.record.policies {
		tasks = append(tasks, task{what: fmt.Sprintf("create policy %s on %s", shownName(p.name), p.object), do: func(ctx context.Context) error {
			_, err := d.target.Exec(ctx, p.statement(d.adapted.naming()))
			return err
		}})
	}
	tasks = append(tasks, d.tasks(func(e entry) bool {
		return e.section == sectionPost && !d.made[e.key()] && !e.late() && !e.last()
	})...)
	refreshes := d.refreshes()
	left, err := workOff(ctx, tasks)
	left = slices.DeleteFunc(left, func(t task) bool { return t.lost() && d.broken(t) })
	if err == nil && slices.ContainsFunc(left, task.lost) {
		err = unmade(left) // filling views would only make the outage longer
	}
	if err != nil {
		return err
	}
	if err := d.mustDo(ctx, append(refreshes, left...)); err != nil {
		return err
	}
	if err := d.giveViews(ctx); err != nil {
		return err
	}
	return d.mustDo(ctx, d.tasks(func(e entry) bool { return e.last() && e.desc != eventTrigger }))
}

// restoreComments comes after everything that can carry one.
func (d *databaseCopy) restoreComments(ctx context.Context) error {
	return d.mustDo(ctx, d.tasks(func(e entry) bool {
		kept := d.adapted.keptPublic[d.database.name] && e.desc == "COMMENT" && e.tag == "SCHEMA public"
		return e.late() && !e.ofEventTrigger() && !kept
	}))
}

// restoreEventTriggers comes after every other statement of ours in a database:
// what an event trigger logs or forbids is the application's. Statements about
// event triggers fire none.
func (d *databaseCopy) restoreEventTriggers(ctx context.Context) error {
	return d.mustDo(ctx, d.tasks(func(e entry) bool { return e.desc == eventTrigger || e.ofEventTrigger() }))
}

// holdsRows tells what rows need before they arrive: their table, and what it is
// made of. What only reads rows may come later.
func (e entry) holdsRows() bool {
	switch e.desc {
	case "TABLE", "TABLE ATTACH", "TYPE", "SHELL TYPE", "DOMAIN", "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT", "COLLATION":
		return true
	}
	return strings.HasPrefix(e.desc, "FOREIGN")
}
