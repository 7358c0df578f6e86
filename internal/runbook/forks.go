package runbook

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// aside are the databases that a step sets aside, as its changes name them.
func aside(st engine.Step) []string {
	var out []string
	for _, c := range st.Changes {
		if name, ok := strings.CutPrefix(c.Field, "database "); ok {
			name, _, _ = strings.Cut(name, " on ")
			out = append(out, name)
		}
	}
	return out
}

// setAsideOn renames and closes databases of a side that lost its turn.
func (t *teller) setAsideOn(s side, st engine.Step) Section {
	suffix := mover.AsideSuffix(max(t.n.Store(s.engine).Epoch, 1))
	var do, undo []string
	for _, name := range aside(st) {
		do = append(do, "alter database "+ident(name)+" rename to "+ident(name+suffix)+";", "alter database "+ident(name+suffix)+" with allow_connections false;")
		undo = append(undo, "alter database "+ident(name+suffix)+" with allow_connections true;", "alter database "+ident(name+suffix)+" rename to "+ident(name)+";")
	}
	listed := "select datname, datallowconn from pg_database where datname ~ '__dr_e[0-9]+$' order by 1"
	if len(do) == 0 { // the plan does not say which
		do = []string{"select format('alter database %I rename to %I', name, name || " + literal(suffix) + ") from dr.made where kind = 'carried'", `\gexec`,
			"select format('alter database %I with allow_connections false', name || " + literal(suffix) + ") from dr.made where kind = 'carried'", `\gexec`}
		undo = []string{"select format('alter database %I with allow_connections true', datname) from pg_database where datname like '%" + suffix + "'", `\gexec`,
			"select format('alter database %I rename to %I', datname, replace(datname, " + literal(suffix) + ", '')) from pg_database where datname like '%" + suffix + "'", `\gexec`}
	}
	free := "set default_transaction_read_only = off;\n"
	look := psql(s, "postgres") + ` -c "` + strings.ReplaceAll(listed, "$", `\$`) + `"`
	return Section{
		Already: parts(run("Databases that were set aside are closed, and their names end in "+suffix+".", look)),
		Do: parts(run("Only the databases that the move carried, with nobody connected to them. A name that would have more than 63 bytes has to be shortened.",
			sql(s, ownDatabase, free+strings.ReplaceAll(endSessions, "where usesysid", "where datname <> 'circleci_dr' and usesysid")+"\n"+strings.Join(do, "\n")))),
		Done: parts(run("", look)),
		Undo: parts(run("Their contents are as they were.", sql(s, ownDatabase, free+strings.Join(undo, "\n")))),
	}
}

func (t *teller) setAside(st engine.Step) Section {
	return t.setAsideOn(t.on(engineOf(st), spec.Internal), st)
}

func (t *teller) adopt(st engine.Step) Section {
	e := engineOf(st)
	outside, inside := t.on(e, spec.External), t.on(e, spec.Internal)
	out := t.setAsideOn(outside, st)
	out.Already = append(parts(run("The cluster's record says internal and is not adopting any more.", t.record("lineage-"+string(e)))), out.Already...)
	out.Do = append(out.Do, run("The server in the cluster takes writes: a fence of an earlier move goes. The tool does it after it has marked this side as the one that counts; by hand the setting is all there is.", sql(inside, "postgres", lowerSystem)))
	out.Done = append(out.Done, run("refuses_writes is off.", sql(inside, "postgres", showFence)))
	out.Undo = append(out.Undo, say("What the application writes from now on is on this side only."))
	return out
}
