package reconcile

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// TestExamplesArePlanned: every file in examples/ makes a plan of an
// installation whose databases are internal, and the plan does what the file
// says and nothing else.
func TestExamplesArePlanned(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("found the examples %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := spec.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld()
			if s.Server != nil {
				s.Server.Namespace, s.Server.Release, s.Server.Version = "ci", "server", ""
			}
			_, plan, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			if len(plan.Coverage) < 3 {
				t.Errorf("coverage = %v", plan.Coverage)
			}
			moves := 0
			for _, e := range engines {
				if d := server.Declared(s, e); s.Server != nil && d != nil && d.Location == spec.External {
					moves++
				}
			}
			want := [][]engine.ActionKind{nil, wholeMove, twice(wholeMove)}[moves]
			if got := actions(plan.Steps); !slices.Equal(got, want) {
				t.Errorf("steps are %v, want %v", got, want)
			}
		})
	}
}
