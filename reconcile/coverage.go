package reconcile

import (
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// CoverageOf says, block by block, how much of the spec this version acts on.
// A block that is accepted and not acted on must never look protected.
func CoverageOf(s *spec.Spec) []engine.Coverage {
	var out []engine.Coverage
	add := func(block string, state engine.CoverageState, note string) {
		out = append(out, engine.Coverage{Block: block, State: state, Note: note})
	}
	if s.Server != nil {
		add("server", engine.Enforced, fmt.Sprintf("release %s in %s", s.Server.Release, s.Server.Namespace))
	}
	if s.Server != nil && len(s.Server.Values) > 0 {
		add(valuesField, engine.Enforced, "compared with the spec; values --write brings them into line")
	} else if s.Server != nil {
		add(valuesField, engine.Uncovered, valuesUncovered(s))
	}
	if s.ServicesMachine != nil {
		add("servicesMachine", engine.Declared, "images and restore of the VM generation")
	}
	for _, e := range engines {
		switch d := server.Declared(s, e); {
		case d == nil:
			add(server.FieldOf(e), engine.Uncovered, "not in the file: nobody decided where it lives")
		case s.Server == nil:
			add(server.FieldOf(e), engine.Declared, "on a services machine")
		default:
			add(server.FieldOf(e), engine.Enforced, "location "+string(d.Location))
		}
	}
	if s.Backup == nil {
		add("backup", engine.Uncovered, "no backups are declared")
	} else {
		add("backup", engine.Declared, "no backup is made: keep the one you have")
	}
	if s.Restore == nil {
		add("restore", engine.Uncovered, "no restore target is declared")
	} else {
		add("restore", engine.Declared, "nothing is restored or drilled")
	}
	if s.Server != nil {
		add("mover", engine.Enforced, "")
	}
	return out
}
