package runbook

import (
	"maps"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

func handOfPostgres() hand {
	return hand{
		prefix: "PG", passwordKey: "postgres-password", way: (*teller).postgresWay, lift: (*teller).liftPostgres,
		read: func(t *teller, s side) string {
			return t.eachDatabase(s, client(s, "pg_dump", "$database")+" --format=custom --compress=0 > /dev/null && echo \"$database was read\"")
		},
		fenceLook: func(s side) string { return sql(s, "postgres", showFence) },
		lineage: func(s side) string {
			return psql(s, ownDatabase) + ` -xc "select epoch, state, move, at from dr.lineage"`
		},
		sessions: func(s side) string {
			return psql(s, "postgres") + ` -c "select datname, usename, count(*) from pg_stat_activity where usename is not null group by 1, 2 order by 1, 2"`
		},
		fence: (*teller).fencePostgres, copy: (*teller).copyPostgres, prove: (*teller).provePostgres,
	}
}

func (t *teller) fencePostgres(st engine.Step) Section {
	e := engineOf(st)
	s := t.source(e)

	raise, lower, who := raiseSystem, lowerSystem, "For a superuser: one setting for the whole server."
	if s.at == spec.External {
		raise, lower, who = raiseEach, lowerEach, "For a role that is no superuser: a setting of each database."
	}
	return Section{
		Already: parts(run("refuses_writes is on, no role or database says otherwise, and nobody is connected.", sql(s, "postgres", showFence))),
		Do: parts(run(who+" It holds for sessions that begin from now on, so the others are ended. A role or a database whose own setting says off has to be set as well.",
			sql(s, "postgres", raise))),
		Done: parts(run("", sql(s, "postgres", showFence))),
		Undo: join(t.liftPostgres(s), parts(run("Made by hand, and without the tool's record:", sql(s, "postgres", lower)))),
	}
}

// liftPostgres takes the tool's fence off.
func (t *teller) liftPostgres(s side) []Part {
	return parts(run("Made by circleci-dr: what stood before is on record in database "+ownDatabase+" of this server, and is put back from there. "+
		"No such database, or no line under id, means that no fence of the tool stands here.", sql(s, ownDatabase, liftFence)))
}

func (t *teller) copyPostgres(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)

	restore := client(d, "pg_restore", "$database") + " --exit-on-error"
	note := "Roles with their passwords, then one database after the other, each streamed to the target."
	for _, from := range slices.Sorted(maps.Keys(t.n.Store(e).Owners)) {
		to := t.n.Store(e).Owners[from]
		note += " What " + reconcile.OneLine(from) + " owns becomes " + reconcile.OneLine(to) + "'s."
		restore += " --no-owner --role=" + word(to)
		break // pg_restore knows one role
	}
	body := client(d, "createdb", "postgres") + ` --template=template0 "$database" &&` + "\n" + client(s, "pg_dump", "$database") + " --format=custom --compress=0 |\n  " + restore
	globals := client(s, "pg_dumpall", "postgres") + " --globals-only |\n  grep -vE '^(CREATE|ALTER) ROLE (postgres|" + ownDatabase + ")[ ;]' |\n  " + psql(d, "postgres")
	return Section{
		Already: parts(run("Which databases the target has.", psql(d, "postgres")+` -Atc "`+ownDatabases+`"`)),
		Do: parts(run(note+" A target whose role is no superuser refuses some attributes: read what it says. pg_dump has to be of the newer server's version or newer.", globals+"\n"+t.eachDatabase(s, body)),
			say("A database of that name that is there already has to go first: dropdb. There is no way back to what it holds.")),
		Done: parts(run("", psql(d, "postgres")+` -Atc "`+ownDatabases+`"`)),
		Undo: parts(say("Drop on the target the databases that were made there. What was replaced is gone: there is no way back to it.")),
	}
}

func (t *teller) provePostgres(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)

	schema := func(s side, file string) string {
		return client(s, "pg_dump", "$database") + " --schema-only --no-owner --no-privileges | grep -vE '^(--|SET |SELECT pg_catalog|.(un)?restrict|$)' >> " + file
	}
	return Section{
		Already: parts(say("A comparison counts as long as the source has been read-only since, and nobody was on the target: do it anew.")),
		Do: parts(run("A line for every table: its rows and a sum of their hashes. Servers of different versions print some values differently; the tool knows which.", t.compare(s, d)),
			run("Schemas, as the same pg_dump prints them; servers of two versions print some definitions differently.",
				": > source.sql; : > target.sql\n"+t.eachDatabase(s, schema(s, "source.sql")+"\n"+schema(d, "target.sql"))+"\ndiff source.sql target.sql && echo 'the schemas are equal'")),
		Done: parts(say("Both say that they are equal. One difference: do not switch.")),
		Undo: parts(run("It changed nothing but these files.", "rm -f source.txt target.txt source.sql target.sql")),
	}
}
