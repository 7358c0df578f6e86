package reconcile

import (
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func TestWhatTheApplicationMeetsIsNamedBeforeTheOutage(t *testing.T) {
	const host = "pg.example.com:5432"
	at := server.Stand{Workload: "Deployment/api", Workloads: []string{"Deployment/api", "Deployment/web"}}
	tried := func(login string, hosts ...mover.Reached) server.RoadTry {
		return server.RoadTry{Stand: at, Result: &mover.ReachResult{Hosts: hosts, Login: login}}
	}
	fine := mover.Reached{Host: host, Addresses: []string{"10.1.2.3"}}
	denies := func(subject string) server.PolicyVerdict {
		return server.PolicyVerdict{Subject: subject, Host: host, Policies: []string{"deny"}, Why: "no rule of it allows it"}
	}
	unknown := server.PolicyVerdict{Subject: "Deployment/api", Host: host, Policies: []string{"some"}, Undecided: "it allows 1 of the name's 2 addresses"}
	less := tried("", mover.Reached{Host: host, Addresses: []string{"10.1.2.3"}, Error: "refused"})
	less.Dropped = []string{"app"}
	refused := at
	refused.Refused = "Service/frontend selects every pod"
	for _, row := range []struct {
		name  string
		road  server.Road
		alive bool // the mover's own way is open
		want  []string
		says  string
	}{
		{"reached", server.Road{Tries: []server.RoadTry{tried("", fine)}}, true, nil, ""},
		{"reached, whatever policies say", server.Road{Tries: []server.RoadTry{tried("", fine)}, Verdicts: []server.PolicyVerdict{denies("Deployment/web"), denies("")}}, true, nil, ""},
		{"a name that cannot be resolved", server.Road{Tries: []server.RoadTry{tried("", mover.Reached{Host: host, Error: "no such host"})}}, true, []string{"application-road!"}, "Deployment/api, Deployment/web cannot resolve pg.example.com:5432"},
		{"no connection", server.Road{Tries: []server.RoadTry{tried("", mover.Reached{Host: host, Addresses: []string{"10.1.2.3"}, Error: "i/o timeout"})}, Verdicts: []server.PolicyVerdict{denies("Deployment/api")}}, true,
			[]string{"application-road!"}, "NetworkPolicy deny allows it nowhere"},
		{"a member's own name", server.Road{Tries: []server.RoadTry{tried("", fine, mover.Reached{Host: "m1.internal:27017", Announced: true, Error: "no such host"})}}, true, []string{"application-road!"}, "m1.internal:27017, a name that the replica set has for a member,"},
		{"one member of three is down", server.Road{Tries: []server.RoadTry{tried("", fine, fine, mover.Reached{Host: "m3:27017", Addresses: []string{"10.1.2.5"}, Error: "refused"})}}, true, []string{"application-road"}, "m3:27017"},
		{"without a label that may count", server.Road{Tries: []server.RoadTry{less}}, true, []string{"application-road"}, "without the labels app"},
		{"without a label, and a policy says so too", server.Road{Tries: []server.RoadTry{less}, Verdicts: []server.PolicyVerdict{denies("Deployment/api")}}, true, []string{"application-road!"}, "NetworkPolicy deny"},
		{"no login", server.Road{Tries: []server.RoadTry{tried("no pg_hba.conf entry", fine)}}, true, []string{"application-road!"}, "no pg_hba.conf entry"},
		{"no labels", server.Road{Tries: []server.RoadTry{{Stand: refused}}, Verdicts: []server.PolicyVerdict{denies("Deployment/api")}}, true, []string{"road-untried", "network-policy"}, "Service/frontend selects every pod"},
		{"no answer", server.Road{Tries: []server.RoadTry{{Stand: at, Error: "the pod was refused"}}}, true, []string{"road-untried"}, "the pod was refused"},
		{"nothing could be read", server.Road{Untried: []string{"list Services: forbidden"}}, true, []string{"road-untried"}, "list Services: forbidden"},
		{"our own pods are cut off", server.Road{Verdicts: []server.PolicyVerdict{denies("")}}, false, []string{"network-policy"}, "mover.labels"},
		{"nobody can tell", server.Road{Tries: []server.RoadTry{{Stand: at, Error: "x"}}, Verdicts: []server.PolicyVerdict{unknown}}, true, []string{"road-untried", "network-policy"}, "cannot be told: it allows 1 of the name's 2 addresses"},
	} {
		var o Observation
		in := server.Inspection{Road: &row.road}
		in.Target = &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "x"}
		if row.alive {
			in.Target = &mover.InspectedSide{Database: &mover.Database{}}
		}
		o.Postgres.Inspection = engine.Found(in)
		wantFindings(t, row.name, checkRoad(o, Part{Engine: mover.PostgreSQL, To: "external", External: host}), row.want, row.says)
	}
}

// Each place is a pod more, so not all are tried where there are many: the plan
// says which were not. A place in which no pod can stand takes no other's turn.
func TestPlacesThatAreNotTriedAreNamed(t *testing.T) {
	w := newWorld()
	w.stands = []server.Stand{{Workload: "Deployment/none", Workloads: []string{"Deployment/none"}, Refused: "x"}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		w.stands = append(w.stands, server.Stand{Workload: "Deployment/" + name, Workloads: []string{"Deployment/" + name, name + "1", name + "2", name + "3", name + "4"}})
	}
	_, plan, err := w.plan(externalSpec())
	if err != nil {
		t.Fatal(err)
	}
	var untried []engine.Finding
	for _, f := range plan.Findings {
		if f.ID == "road-untried" {
			untried = append(untried, f)
		}
	}
	wantFindings(t, "six places", untried, []string{"road-untried", "road-untried"}, "the pods of Deployment/e, e1, e2, e3, e4 can reach ")
	if len(untried) == 2 && (!strings.Contains(untried[1].What, "they stand in 6 places, each of them a pod more, and only 4 of them are tried") || !strings.Contains(untried[1].Brief, "e3, and 1 more can reach")) {
		t.Errorf("%+v", untried[1])
	}
}

// A role of an older version lacks the rights to look at the road, which stops
// nobody.
func TestRightsOfTheRoadAreSpare(t *testing.T) {
	o := Observation{Denied: engine.Found([]server.Permission{{Verb: "list", Group: "apps", Resource: "replicasets"}, {Verb: "list", Group: "networking.k8s.io", Resource: "networkpolicies"}})}
	if found := preflightAccess(before(t).s, o); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	o.Denied.Value = append(o.Denied.Value, server.Permission{Verb: "list", Resource: "secrets"})
	if found := preflightAccess(before(t).s, o); len(found) != 1 || !found[0].Blocks {
		t.Errorf("%+v", found)
	}
}

// A plan has a pod try the way from each place, by a job that leaves nothing,
// and what it finds blocks the move; one that wants no move out tries nothing.
func TestAPlanTriesTheApplicationsRoad(t *testing.T) {
	w := newWorld()
	w.stands = []server.Stand{{Workload: "Deployment/api", Workloads: []string{"Deployment/api"}}, {Workload: "Deployment/web", Workloads: []string{"Deployment/web"}, Refused: "x"}}
	reaches := func() int {
		n := 0
		for _, call := range w.calls {
			if call == "Run reach" {
				n++
			}
		}
		return n
	}
	_, plan, err := w.plan(externalSpec())
	if err != nil || len(plan.Blocked()) > 0 || reaches() == 0 {
		t.Fatalf("plan %v, %d calls of the pod: %v", plan.Findings, reaches(), err)
	}
	w.cutOff = "no such host"
	_, plan, err = w.plan(externalSpec())
	if blocked := plan.Blocked(); err != nil || len(blocked) != 1 || blocked[0].ID != "application-road" {
		t.Errorf("plan %+v: %v", plan.Findings, err)
	}
	if len(w.jobs) != 0 {
		t.Errorf("%d Jobs are left", len(w.jobs))
	}
	before := reaches()
	if _, _, err := w.plan(internalSpec()); err != nil || reaches() != before {
		t.Errorf("a plan without a move tried it: %v", err)
	}
}
