package runbook

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// TestEveryKindOfDatastoreByHand: each registered kind has all of its commands.
func TestEveryKindOfDatastoreByHand(t *testing.T) {
	t.Parallel()
	if got, want := slices.Sorted(maps.Keys(hands)), slices.Sorted(slices.Values(server.Engines())); !slices.Equal(got, want) {
		t.Errorf("there are commands for %q, and the kinds are %q", got, want)
	}
	for e, h := range hands {
		for v, i := reflect.ValueOf(h), 0; i < v.NumField(); i++ {
			if v.Field(i).IsZero() {
				t.Errorf("%s has no %s", e, v.Type().Field(i).Name)
			}
		}
		if !slices.Contains(server.KindOf(e).ChartKeys, h.passwordKey) {
			t.Errorf("%s: the chart's Secret has no key %q", e, h.passwordKey)
		}
	}
}

// TestUnknownDatastoreByHand: what this version does not know gets no other kind's
// commands. A step about it is refused, and the way back says that it has none.
func TestUnknownDatastoreByHand(t *testing.T) {
	t.Parallel()
	n := names(spec.External, "")
	n.Stores[1].Engine = "redis"
	said := "This version knows no redis, and has no commands for it"
	for name, parts := range map[string][]Part{
		"break glass": slices.Concat(partsOf(BreakGlass(*n))...),
		"go back":     newTeller(engine.Plan{Names: n.InPlan()}).goBack(engine.Step{}).Do,
	} {
		var text strings.Builder
		for _, p := range parts {
			text.WriteString(p.Text + "\n" + p.Shell + "\n")
		}
		if got := text.String(); strings.Count(got, said) != 1 || !strings.Contains(got, "psql") || strings.Contains(got, "mongo.example.com") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	n.Stores = n.Stores[1:]
	for _, p := range slices.Concat(partsOf(BreakGlass(*n))...) {
		if strings.Contains(p.Shell, "psql") || strings.Contains(p.Shell, "mongosh") {
			t.Errorf("commands of another kind: %s", p.Shell)
		}
	}
	for kind := range byHand {
		p := engine.Plan{Names: n.InPlan()}
		st := engine.Step{ID: "x/redis", Action: kind, Args: map[string]string{"engine": "redis"}}
		if _, err := StepByHand(p, st); err == nil || !strings.Contains(err.Error(), `knows no datastore "redis"`) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if s, err := StepByHand(engine.Plan{}, engine.Step{Action: reconcile.ActFence, Args: map[string]string{"engine": string(mover.MongoDB)}}); err != nil || len(s.Do) == 0 {
		t.Errorf("MongoDB: %+v, %v", s, err)
	}
}

func partsOf(chapters []Chapter) (all [][]Part) {
	for _, c := range chapters {
		all = append(all, c.Parts)
	}
	return all
}
