package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// lookAlikes are what pods may be told and what is no address of a datastore,
// though its name or its text looks like one.
var lookAlikes = plainTexts(
	"DB_METRICS_HOST", "statsd.monitoring", "DATABASE_DOCS_URL", "https://postgresql/docs", "PG_READONLY_HOST", "postgresql-read.reporting.svc",
	"MONGO_EXPORTER_HOST", "mongodb-exporter:9216", "DB_URL_TEMPLATE", "postgresql://{user}@{host}", "PG_DOCS", "https://docs.example.com/postgresql/",
	"PG_MIRROR_HOST", "other.pg.example.com", "PG_HOME", "https://pg.example.com/",
)

func plainTexts(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out["spec.template.spec.containers[app].env["+pairs[i]+"].value"] = pairs[i+1]
	}
	return out
}

// A variable that looks like a database's host fails no move, whoever switches.
func TestWhatOnlyLooksLikeAnAddressFailsNoMove(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		for key, a := range w.apps {
			a.says = server.Texts{}
			for field, text := range lookAlikes {
				a.says[server.Place{Object: key, Field: field}] = text
			}
		}
		a := w.process(t.Context(), s)
		if a.err != nil {
			t.Fatal(a.err)
		}
		if slices.ContainsFunc(a.plan.Findings, func(f engine.Finding) bool { return f.ID == "address-stays" }) {
			t.Errorf("findings are %+v", a.plan.Findings)
		}
		w.moved(t, s, f.name)
	})
}

// Workloads that have the host from a Secret only, which nobody may read, are
// judged by what the preview foresees of the Secret.
func TestAHostInASecretOnlyIsForeseen(t *testing.T) {
	eachFlowThatSwitches(t, func(t *testing.T, f flow) {
		for _, all := range []bool{false, true} {
			w, s := f.begin(t), f.spec()
			for key, a := range w.apps {
				a.hidden = all || key == "Deployment/api"
			}
			if a := w.process(t.Context(), s); a.err != nil {
				t.Fatal(a.err)
			}
			w.moved(t, s, fmt.Sprintf("%s, all hidden: %v", f.name, all))
		}
	})
}

// What names the target before a hand-off is no sign of it.
func TestATargetThatIsNamedBeforeIsNotTheSwitch(t *testing.T) {
	for _, by := range []spec.ManagedBy{spec.ManagedByFlux, spec.ManagedByArgoCD} {
		w, s := newWorld(), handedSpec()
		w.tool.by, w.tool.away, s.Server.ManagedBy = by, true, by
		for key, a := range w.apps {
			a.says = server.Texts{
				server.Place{Object: key, Field: "spec.template.spec.containers[app].env[PG_READONLY_HOST].value"}: externalHost,
				server.Place{Object: key, Field: "spec.template.spec.containers[app].env[DB_TYPE].value"}:          internalHost,
			}
		}
		a := w.process(t.Context(), s)
		var waiting *HandOffError
		if !errors.As(a.err, &waiting) || !strings.Contains(waiting.Why, "Deployment/api names postgresql") {
			t.Errorf("%s: error %v", by, a.err)
		}
		w.tool.away = false
		if a := w.process(t.Context(), s); a.err != nil {
			t.Fatal(a.err)
		}
		w.rest()
		o, plan, err := w.plan(s)
		if err != nil || len(plan.Steps) != 0 || o.Release.Value.Postgres.Host != externalHost {
			t.Errorf("%s: the next plan has %v, the release reads %s, error %v", by, ids(plan.Steps), o.Release.Value.Postgres.At(), err)
		}
	}
}

// A hand-off that nobody could see is refused before the outage.
func TestAHandOffThatCannotBeSeenIsRefused(t *testing.T) {
	w, s := managedWorld()
	for _, a := range w.apps {
		a.hidden = true
	}
	_, plan, err := w.plan(s)
	if err != nil || !slices.Equal(blocks(plan), []string{"switch-unseen"}) {
		t.Errorf("blocked by %v, error %v", blocks(plan), err)
	}
}

// The record has the places of the move, and after the switch they decide.
func TestThePlacesOfAMoveAreOnRecord(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.converge(t, s)
	var want []server.Place
	for _, key := range slices.Sorted(maps.Keys(w.apps)) {
		want = append(want, server.Place{Object: key, Field: addressField(mover.PostgreSQL)})
	}
	if m := recordOf(w); !slices.Equal(m.Parts[0].Places, want) {
		t.Errorf("the record has %v, want %v", m.Parts[0].Places, want)
	}
}

func TestNotSwitchedGoesByThePlaces(t *testing.T) {
	const field, other = "spec.template.spec.containers[app].env[HOST].value", "spec.template.spec.containers[app].env[OTHER].value"
	api := server.Workload{Kind: "Deployment", Name: "api"}
	say := func(texts ...string) []server.Workload {
		w := api
		w.Texts = server.Texts{}
		for i := 0; i < len(texts); i += 2 {
			w.Texts[server.Place{Object: texts[i], Field: texts[i+1][:strings.Index(texts[i+1], "=")]}] = texts[i+1][strings.Index(texts[i+1], "=")+1:]
		}
		return []server.Workload{w}
	}
	places := []server.Place{{Object: "Deployment/api", Field: field}, {Object: "ConfigMap/db", Field: "data.host"}, {Object: "Secret/db", Field: "data.url"}}
	source, target := server.NamedServer{Hosts: []string{"postgresql"}, Namespace: "ci"}, server.NamedServer{Hosts: []string{"pg.example.com"}}
	for _, row := range []struct {
		name   string
		ws     []server.Workload
		places []server.Place
		before []server.Place
		want   string
	}{
		{"switched", say("Deployment/api", field+"=pg.example.com:5432"), places, nil, ""},
		{"not switched", say("Deployment/api", field+"=postgresql:5432"), places, nil, "Deployment/api names postgresql"},
		{"pointed elsewhere", say("Deployment/api", field+"=db.example.com"), places, nil, "Deployment/api does not name it"},
		{"its variable is gone", say("Deployment/api", other+"=x"), places, nil, "Deployment/api has no " + field},
		{"its ConfigMap is not switched", say("Deployment/api", field+"=pg.example.com", "ConfigMap/db", "data.host=postgresql"), places, nil, "Deployment/api names postgresql"},
		{"another place says the source", say("Deployment/api", field+"=pg.example.com", "Deployment/api", other+"=postgresql"), places, nil, ""},
		{"nothing can be seen", say("Deployment/api", other+"=x"), places[2:], nil, ""},
		{"nothing foreseen, switched", say("Deployment/api", other+"=pg.example.com"), nil, nil, ""},
		{"nothing foreseen, not switched", say("Deployment/api", other+"=postgresql.ci.svc:5432"), nil, nil, "Deployment/api names postgresql"},
		{"nothing foreseen, named before", say("Deployment/api", other+"=pg.example.com"), nil, []server.Place{{Object: "Deployment/api", Field: other}}, "none"},
		{"nothing foreseen, nothing seen", say("Deployment/api", other+"=x"), nil, nil, "none"},
	} {
		p := Part{Engine: mover.PostgreSQL, To: spec.External, Places: row.places, Named: row.before}
		if got := notSwitched(row.ws, p, source, target); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
