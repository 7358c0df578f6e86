package runbook

import (
	"maps"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

func (t *teller) rehearse(st engine.Step) Section {
	s, d := t.source(engineOf(st)), t.target(engineOf(st))
	try := client(d, "createdb", "postgres") + ` "rehearsal_$database" &&` + "\n" + client(s, "pg_dump", "$database") + " --schema-only --no-owner --no-privileges |\n  " +
		client(d, "psql", "rehearsal_$database") + " -X -q -v ON_ERROR_STOP=1"
	list := psql(d, "postgres") + ` -c "select datname from pg_database where datname like 'rehearsal\_%'"`
	return Section{
		Already: parts(run("When it was last done and how it ended stands in the tool's record.", t.record("rehearsal-"+string(engineOf(st))))),
		Do:      parts(run("The schema of every database, without its rows, under another name on the target. What the target refuses ends it with an error.", t.eachDatabase(s, try))),
		Done:    parts(run("A database for each, and no error.", list)),
		Undo:    parts(run("", psql(d, "postgres")+` -Atc "select format('drop database %I;', datname) from pg_database where datname like 'rehearsal\_%'" | `+psql(d, "postgres")+" -v ON_ERROR_STOP=1")),
	}
}

func (t *teller) unrehearsed(st engine.Step) Section {
	look := t.record("rehearsal-" + string(engineOf(st)))
	return Section{
		Already: parts(run("The record says \"waived\": true.", look)),
		Do:      parts(run("Nothing is changed: it is a decision. Read why the rehearsal could not be made, and go on only if you can bear that what the target refuses is found while the application is stopped.", look)),
		Done:    parts(say("You have read it.")),
		Undo:    parts(say("There is nothing to undo; do the rehearsal instead.")),
	}
}

func (t *teller) read(st engine.Step) Section {
	e := engineOf(st)
	s := t.source(e)
	do := t.eachDatabase(s, client(s, "pg_dump", "$database")+" --format=custom --compress=0 > /dev/null && echo \"$database was read\"")
	if e == mover.MongoDB {
		do = mongoTool(s, "mongodump") + " --archive > /dev/null"
	}
	return Section{
		Already: parts(say("Only a reading that is no older than the outage it was made for counts: do it anew.")),
		Do:      parts(run("All of it, into nothing: what cannot be read is known before the other side's data are given up.", do)),
		Done:    parts(say("It ended without an error.")),
		Undo:    parts(say("It changed nothing.")),
	}
}

func (t *teller) fence(st engine.Step) Section {
	e := engineOf(st)
	s := t.source(e)
	if e == mover.MongoDB {
		return Section{
			Already: parts(run("", mongosh(s, showLock))),
			Do: parts(run("Every write waits while the lock is held; it ends with the server's process. A managed server may not allow it: then see that nothing connects, and compare once more before the switch.",
				mongosh(s, lockMongo))),
			Done: parts(run("locked is true.", mongosh(s, showLock))),
			Undo: join(t.liftMongo(s), parts(run("Made by hand, and without the tool's record:", mongosh(s, unlockMongo)))),
		}
	}
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

// liftPostgres and liftMongo take the tool's fence off.
func (t *teller) liftPostgres(s side) []Part {
	return parts(run("Made by circleci-dr: what stood before is on record in database "+ownDatabase+" of this server, and is put back from there. "+
		"No such database, or no line under id, means that no fence of the tool stands here.", sql(s, ownDatabase, liftFence)))
}

func (t *teller) liftMongo(s side) []Part {
	return parts(run("Made by circleci-dr: the lock is taken off and its record removed. A lockCount above 0 afterwards means that somebody else has locked the server too.", mongosh(s, liftMongo)))
}

func (t *teller) copyData(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)
	if e == mover.MongoDB {
		return Section{
			Already: parts(run("Documents and hashes of both sides; they are equal when it is done.", mongosh(d, hashMongo))),
			Do: parts(run("Everything but the server's own. Collections that are there are dropped first. While the source is locked a dump can be read from it; nothing can be written to it.",
				mongoTool(s, "mongodump")+" --archive |\n  "+mongoTool(d, "mongorestore")+" --archive --drop --stopOnError --nsExclude='admin.*' --nsExclude='config.*' --nsExclude='"+ownDatabase+".*'")),
			Done: parts(run("", mongosh(d, hashMongo))),
			Undo: parts(say("Drop on the target the databases that were made there. What --drop replaced is gone: there is no way back to it.")),
		}
	}
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

func (t *teller) prove(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)
	if e == mover.MongoDB {
		return Section{
			Already: parts(say("A comparison counts as long as the source has been locked since, and nobody was on the target: do it anew.")),
			Do: parts(run("A line for every collection: its documents and their hash. Indexes and options have to be compared as well.",
				mongosh(s, hashMongo)+" > source.txt\n"+mongosh(d, hashMongo)+" > target.txt\ndiff source.txt target.txt && echo 'the documents are equal'")),
			Done: parts(say("The last line says that they are equal. One difference: do not switch.")),
			Undo: parts(say("It changed nothing.")),
		}
	}
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
