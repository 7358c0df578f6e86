package reconcile

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// after is an installation whose move is over, as drift sees it.
func after(t *testing.T) (*world, *facts) {
	t.Helper()
	w, s := newWorld(), externalSpec()
	w.converge(t, s)
	w.rest()
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	return w, &facts{s, o}
}

func TestDriftReportsWhatMattersAndNothingElse(t *testing.T) {
	frontend := func(f *facts) *server.Workload {
		ws := f.o.Workloads.Value
		return &ws[slices.IndexFunc(ws, func(w server.Workload) bool { return w.Name == "frontend" })]
	}
	for _, row := range []struct {
		name   string
		change func(*facts)
		want   []DriftItem
	}{
		{"nothing", func(*facts) {}, nil},
		{"scaled up", func(f *facts) { frontend(f).Replicas = 9 }, nil},
		{"scaled to zero", func(f *facts) { frontend(f).Replicas = 0 }, []DriftItem{{Class: "changed", Object: "Deployment/frontend",
			What: "is scaled to zero and no move stands open", From: "3 replicas", To: "0 replicas", Fix: "kubectl scale Deployment/frontend --replicas=3"}}},
		{"a workload is gone", func(f *facts) {
			f.o.Workloads.Value = slices.DeleteFunc(f.o.Workloads.Value, func(w server.Workload) bool { return w.Name == "frontend" })
		}, []DriftItem{{Class: "changed", Object: "Deployment/frontend", What: "is gone", From: "3 replicas", Fix: "helm upgrade brings it back"}}},
		{"our Secret is gone", func(f *facts) { f.o.Postgres.Credentials = engine.NotThere[server.Credentials]() }, []DriftItem{{Class: "changed",
			Object: "Secret " + server.CredentialsName(mover.PostgreSQL), What: "is gone", Fix: "run circleci-dr apply: it writes the referenced password again"}}},
		{"the internal database runs again", func(f *facts) {
			f.o.Postgres.Internal.Value.StatefulSet = engine.Found(server.StatefulSet{Name: internalHost})
		},
			[]DriftItem{{Class: "changed", Object: "StatefulSet postgresql", What: "the internal PostgreSQL is running again although the data moved to pg.example.com:5432",
				Fix: "find out who started it before anything writes to it"}}},
		{"another epoch on the target", func(f *facts) { f.dst().Lineage = &mover.LineageMark{Epoch: 7} }, []DriftItem{{Class: "changed", Object: "external PostgreSQL",
			What: "belongs to another lineage epoch than the cluster's record", From: "1", To: "7", Fix: "find out who switched; nothing may be overwritten"}}},
		{"an older version is declared", func(f *facts) { f.s.Server.Version = "4.9.0" }, []DriftItem{{Class: "changed", Object: "release server",
			What: "runs another chart version than the spec", From: "4.9.0", To: "4.10.0", Fix: "set server.version to what is deployed"}}},
		{"the release is gone", func(f *facts) { f.o.Release = engine.NotThere[server.Release]() }, []DriftItem{{Class: "changed", Object: "release server",
			What: "is not there", Fix: "check server.namespace and server.release"}}},
		{"never applied", func(f *facts) { f.o.Applied = engine.NotThere[server.Applied]() }, nil},
	} {
		_, f := after(t)
		row.change(f)
		got, err := Drift(f.s, f.o, time.Hour)
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s: got %+v, error %v, want %+v", row.name, got, err, row.want)
		}
	}
}

func TestDriftIsInconclusiveWhereItCouldNotLook(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*facts)
		want   string
	}{
		{"cluster", func(f *facts) { f.o.Cluster = engine.CouldNot[server.Cluster](errRead) }, "cluster: connection refused"},
		{"release", func(f *facts) { f.o.Release = engine.CouldNot[server.Release](errRead) }, "release: connection refused"},
		{"workloads", func(f *facts) { f.o.Workloads = engine.CouldNot[[]server.Workload](errRead) }, "application workloads: connection refused"},
		{"Secret", func(f *facts) { f.o.Postgres.Credentials = engine.CouldNot[server.Credentials](errRead) }, "Secret circleci-dr-postgresql: connection refused"},
		{"inspection", func(f *facts) { f.o.Postgres.Inspection = engine.CouldNot[server.Inspection](errRead) }, "PostgreSQL servers: connection refused"},
		{"no inspection", func(f *facts) { f.o.Postgres.Inspection = engine.NotThere[server.Inspection]() }, "PostgreSQL servers: never inspected; run circleci-dr plan"},
		{"old inspection", func(f *facts) { f.o.At = f.o.Postgres.Inspection.Value.At.Add(2 * time.Hour) }, "PostgreSQL servers: the newest inspection is 2h0m0s old; run circleci-dr plan"},
		{"lineage", func(f *facts) { f.o.Postgres.Lineage = engine.CouldNot[server.Lineage](errRead) }, "lineage record of PostgreSQL: connection refused"},
		{"move", func(f *facts) { f.o.Move = engine.CouldNot[Move](errRead) }, "move record: connection refused"},
		{"applied", func(f *facts) { f.o.Applied = engine.CouldNot[server.Applied](errRead) }, "last-applied record: connection refused"},
	} {
		_, f := after(t)
		row.change(f)
		items, err := Drift(f.s, f.o, time.Hour)
		var unread *UnreadableError
		if !errors.As(err, &unread) || !slices.Equal(unread.What, []string{row.want}) || items != nil {
			t.Errorf("%s: items %v, error %v, want %s", row.name, items, err, row.want)
		}
	}
}

func TestDriftNamesAnUnfinishedMoveAndThePendingOne(t *testing.T) {
	w, s := newWorld(), externalSpec()
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	want := []DriftItem{{Class: "pending", Object: server.FieldOf(mover.PostgreSQL, "location"), What: "PostgreSQL is still internal", From: "internal", To: "external", Fix: "run circleci-dr plan"}}
	if got, err := Drift(s, o, time.Hour); err != nil || !slices.Equal(got, want) {
		t.Errorf("pending: %+v, error %v", got, err)
	}
	w, s = cutAt(t, "copying")
	o = Observe(t.Context(), s, w.providers(), ObserveOptions{Inspect: true})
	m := readMove(t, w)
	want = []DriftItem{{Class: "unfinished", Object: "move postgresql-e1", Fix: "run circleci-dr apply again",
		What: "is unfinished since " + m.Opened.Format(time.RFC3339) + " and the application is stopped since " + m.Quiesced.Format(time.RFC3339)}}
	if got, err := Drift(s, o, time.Hour); err != nil || !slices.Equal(got, want) {
		t.Errorf("unfinished: %+v, error %v", got, err)
	}
	lines := Status(s, o, "circleci-dr.yaml")
	if len(lines) == 0 || !lines[0].Alarm || lines[0].Topic != "move" || lines[0].Command != "circleci-dr apply --file circleci-dr.yaml" {
		t.Errorf("status begins with %+v", lines[0])
	}
}

// An inspection of other servers, and one that a killed run left behind.
func TestAnInspectionCountsOnlyForWhatAndWhenItLooked(t *testing.T) {
	w, s := newWorld(), externalSpec()
	if _, _, err := w.plan(s); err != nil {
		t.Fatal(err)
	}
	o := Observe(t.Context(), s, w.providers(), ObserveOptions{})
	if !o.Postgres.Inspection.Is() {
		t.Errorf("the recorded inspection is %s: %s", o.Postgres.Inspection.Known, o.Postgres.Inspection.Why)
	}
	other := externalSpec()
	other.Datastores.PostgreSQL.External.Host = "other.example.com"
	o = Observe(t.Context(), other, w.providers(), ObserveOptions{})
	if !o.Postgres.Inspection.Unread() {
		t.Error("an inspection of another server was taken for this one")
	}
	in := sidesOf(s, &o, mover.PostgreSQL)
	old := server.InspectJob(in, server.InstallationID(o.Cluster.Value, s.Server))
	w.jobs[old.Name] = &job{spec: old, running: 1}
	w.clock = w.clock.Add(-time.Hour)
	w.tick()
	w.clock = w.clock.Add(time.Hour)
	w.dst.rows[1] = 1 // written since
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	if o.Postgres.Inspection.Value.Target.Database.Databases[0].Empty {
		t.Error("what a killed run saw an hour ago was taken for now")
	}
}

// While a way back is wanted the inspection has the external side as its source.
func TestDriftLooksAtTheSideTheReleaseReads(t *testing.T) {
	f := factsOf("back")(t)
	f.o.Postgres.Inspection.Value.Source = &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "no route to host"}
	items, err := Drift(f.s, f.o, time.Hour)
	want := DriftItem{Class: "changed", Object: "external PostgreSQL", What: "could not be inspected from the cluster: no route to host", Fix: "run circleci-dr plan"}
	if err != nil || !slices.Contains(items, want) {
		t.Errorf("got %+v, error %v", items, err)
	}
}

// Drift asks no server: right after a move it has what the move saw.
func TestDriftRightAfterAMoveNeedsNoPlan(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		if a := w.process(t.Context(), s); a.err != nil {
			t.Fatal(a.err)
		}
		items, err := Drift(s, Observe(t.Context(), s, w.providers(), ObserveOptions{}), time.Hour)
		if err != nil || len(items) != 0 {
			t.Errorf("drift %+v, error %v", items, err)
		}
	})
}

// A commit that went back before both servers heard of it is nobody's doing.
func TestACommitThatWentBackEarlyIsNoDrift(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		o, _, err := w.plan(s)
		before, derr := Drift(s, o, time.Hour)
		if err != nil || derr != nil {
			t.Fatal(err, derr)
		}
		commit := actionsByKind[ActCommit]
		n := 0
		actionsByKind[ActCommit] = action{commit.look, func(ctx context.Context, r *run, st engine.Step) error {
			if n++; n < len(r.move.Parts) {
				return commit.apply(ctx, r, st)
			}
			return errors.Join(errInjected, r.saveMove(ctx, func(m *Move) { m.Deciding = true }))
		}}
		a := w.process(t.Context(), s)
		actionsByKind[ActCommit] = commit
		if f.handsOff() { // the tool has switched by then: there is only forward
			return
		}
		if a.err == nil || !a.rep.Left(engine.AppBack) {
			t.Fatalf("report %+v, error %v", a.rep, a.err)
		}
		o, _, err = w.plan(s)
		items, derr := Drift(s, o, time.Hour)
		// Only what a fork was before is one again.
		if err != nil || derr != nil || slices.ContainsFunc(items, func(d DriftItem) bool {
			return d.Class != "pending" && (f.then == nil || !slices.ContainsFunc(before, func(b DriftItem) bool { return b.Class == d.Class && b.Object == d.Object }))
		}) {
			t.Errorf("drift %+v, errors %v, %v", items, err, derr)
		}
	})
}
