package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

func TestWhichSideWasChosen(t *testing.T) {
	one := &spec.Spec{Datastores: spec.Datastores{PostgreSQL: &spec.PostgreSQL{}}}
	both := &spec.Spec{Datastores: spec.Datastores{PostgreSQL: &spec.PostgreSQL{}, MongoDB: &spec.MongoDB{}}}
	chosen := map[mover.Engine]spec.Location{mover.PostgreSQL: spec.External}
	file := &engine.Plan{Authoritative: map[string]string{"postgresql": "external"}}
	for _, c := range []struct {
		choice choice
		spec   *spec.Spec
		given  *engine.Plan
		want   map[mover.Engine]spec.Location
		err    string
	}{
		{spec: one},
		{spec: one, given: file, want: chosen},
		{choice: choice{"external", ""}, spec: one, want: chosen},
		{choice: choice{"external", "postgresql"}, spec: both, want: chosen},
		{choice: choice{"internal", "mongodb"}, spec: both, want: map[mover.Engine]spec.Location{mover.MongoDB: spec.Internal}},
		{choice: choice{"external", ""}, spec: both, err: "needs --datastore where the file declares postgresql and mongodb"},
		{choice: choice{"external", "mongodb"}, spec: one, err: `postgresql (got "mongodb")`},
		{choice: choice{"outside", ""}, spec: one, err: `internal or external (got "outside")`},
		{choice: choice{"", "postgresql"}, spec: one, err: "goes with --authoritative"},
	} {
		got, err := c.choice.made(c.spec, c.given)
		if !maps.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v, %v", c.choice, got, err)
		}
	}
}
