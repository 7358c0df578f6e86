package reconcile

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// plainTitles are titles that do not name their datastore, and what they say of
// which: with one datastore in a plan there is nothing to mistake.
var plainTitles = []struct{ plain, naming string }{
	{"Write the Secret the application will read", "Write the Secret with the password of %, which the application will read"},
	{"Protect the internal database and its volume", "Protect the internal % and its volume"},
	{"Rehearse the schema on the target, with the application up", "Rehearse the schema of % on the target, with the application up"},
	{"Go on without a rehearsal", "Go on without a rehearsal of %"},
	{"Make the internal database read-only", "Make the internal % read-only"},
	{"Make the external database read-only", "Make the external % read-only"},
	{"Copy every database", "Copy every % database"},
	{"Prove that both sides are equal", "Prove that both sides of % are equal"},
	{"Commit: the target is authoritative", "Commit: the target's % is authoritative"},
	{"Set the internal databases aside, with what only they hold", "Set the internal databases of % aside, with what only they hold"},
}

// nameEngines makes every title of a plan of several datastores name its own.
func nameEngines(steps []engine.Step) []engine.Step {
	if len(enginesOf(steps)) < 2 {
		return steps
	}
	for i := range steps {
		e := engineOf(steps[i])
		if e == "" || strings.Contains(steps[i].Title, e.Title()) {
			continue
		}
		for _, t := range plainTitles {
			if steps[i].Title == t.plain {
				steps[i].Title = strings.Replace(t.naming, "%", e.Title(), 1)
			}
		}
	}
	return steps
}

// enginesOf are the datastores that steps are about.
func enginesOf(steps []engine.Step) map[mover.Engine]bool {
	out := map[mover.Engine]bool{}
	for _, st := range steps {
		if e := engineOf(st); e != "" {
			out[e] = true
		}
	}
	return out
}
