package reconcile

import (
	"errors"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// What nobody looked at is not called enforced, and values files that nobody
// compares are uncovered, with what that risks.
func TestCoverageOfWhatWasLookedAt(t *testing.T) {
	external := &spec.PostgreSQL{Location: spec.External, External: &spec.PostgreSQLExternal{Host: "pg"}}
	internal := &spec.PostgreSQL{Location: spec.Internal}
	seen := Observation{Release: engine.Found(server.Release{})}
	unread := Observation{Release: engine.Found(server.Release{}), Values: engine.CouldNot[server.DeclaredValues](errors.New("no such file"))}
	for _, row := range []struct {
		name   string
		server spec.Server
		pg     *spec.PostgreSQL
		o      Observation
		block  string
		state  engine.CoverageState
		note   string
	}{
		{"seen", spec.Server{}, external, seen, "datastores.postgresql", engine.Enforced, "location external"},
		{"no answer", spec.Server{}, external, Observation{}, "datastores.postgresql", engine.Unseen, "location external"},
		{"no release", spec.Server{}, external, Observation{Release: engine.NotThere[server.Release]()}, "server", engine.Unseen, "release  in "},
		{"what is only declared stays so", spec.Server{}, external, Observation{}, "backup", engine.Uncovered, "no backups are declared"},
		{"files that could not be read", spec.Server{Values: []string{"v"}}, external, unread, valuesField, engine.Unseen, "no such file"},
		{"undeclared files, moved", spec.Server{}, external, seen, valuesField, engine.Uncovered, "your next helm upgrade -f may bring the old database back"},
		{"undeclared files, never moved", spec.Server{}, internal, seen, valuesField, engine.Uncovered, "nothing compares your Helm values files with this file"},
		{"undeclared files of another tool", spec.Server{ManagedBy: spec.ManagedByArgoCD}, external, seen, valuesField, engine.Uncovered, "nothing compares the values that Argo CD applies with this file"},
	} {
		s := &spec.Spec{Server: &row.server, Datastores: spec.Datastores{PostgreSQL: row.pg}}
		found := false
		for _, c := range CoverageSeen(s, row.o) {
			if c.Block == row.block {
				found = true
				if c.State != row.state || c.Note != row.note {
					t.Errorf("%s: %s: %s", row.name, c.State, c.Note)
				}
			}
		}
		if !found {
			t.Errorf("%s: there is no line for %s", row.name, row.block)
		}
	}
}

// One list that is refused leaves several things unread, and its reason is said
// once.
func TestAReasonIsSaidOnce(t *testing.T) {
	s := &spec.Spec{Server: &spec.Server{}}
	no := errors.New("secrets is forbidden")
	o := Observation{Release: engine.CouldNot[server.Release](errors.New("other")), Workloads: engine.CouldNot[[]server.Workload](no), Writers: engine.CouldNot[[]server.Writer](no), Cluster: engine.Found(server.Cluster{}), Applied: engine.NotThere[server.Applied]()}
	_, err := MakePlan(s, o)
	const want = "live state could not be read: release: other; application workloads, other writers of the application: secrets is forbidden"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// A report of a move asks for the values files to follow; one of anything else,
// or of a release that another tool upgrades from its own values, does not.
func TestSwitched(t *testing.T) {
	for step, want := range map[engine.StepID]bool{"switch-release/server": true, "commit-lineage/postgresql": false, "copy-data/pg:5432": false} {
		if got := Switched(engine.Report{Steps: []engine.StepReport{{Step: step}}}); got != want {
			t.Errorf("%s: %v", step, got)
		}
	}
}
