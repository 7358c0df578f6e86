package runbook

import "github.com/circleci-dr/circleci-dr/reconcile/engine"

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
	return Section{
		Already: parts(say("Only a reading that is no older than the outage it was made for counts: do it anew.")),
		Do:      parts(run("All of it, into nothing: what cannot be read is known before the other side's data are given up.", hands[e].read(t, s))),
		Done:    parts(say("It ended without an error.")),
		Undo:    parts(say("It changed nothing.")),
	}
}

func (t *teller) fence(st engine.Step) Section    { return hands[engineOf(st)].fence(t, st) }
func (t *teller) copyData(st engine.Step) Section { return hands[engineOf(st)].copy(t, st) }
func (t *teller) prove(st engine.Step) Section    { return hands[engineOf(st)].prove(t, st) }
