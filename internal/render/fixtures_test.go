package render_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

var t0 = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

const specFile = "../../examples/server-external.yaml"

func loadSpec(t *testing.T, file string) *spec.Spec {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.Parse("circleci-dr.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func workload(kind, name string, replicas int) server.Workload {
	w := server.Workload{Kind: kind, Name: name, Replicas: replicas, Ready: replicas, Pods: replicas}
	if slices.Contains(switching, name) {
		w.Texts = server.Texts{{Object: w.Key(), Field: addressField}: "postgresql"}
	}
	return w
}

// installation is an ordinary CircleCI Server with its PostgreSQL inside and
// an empty external server.
func installation() reconcile.Observation {
	o := reconcile.Observation{
		At: t0, Tool: "v0.1.0",
		Cluster: engine.Found(server.Cluster{UID: "6f9d6b8e-41f3-4f0c-9a52-0c2ce1b6a0f4", Version: "v1.33.2", Server: "https://prod.example.com"}),
		Release: engine.Found(server.Release{
			Name: "circleci-server", Namespace: "circleci-server", Revision: 7, Status: "deployed",
			Chart: "circleci-server", ChartVersion: "4.10.0", AppVersion: "4.10.0", ConfigDigest: "c0ffee", Manager: spec.ManagedByHelm,
			Postgres: server.ReleaseStore{Internal: true, Host: "postgresql", Port: 5432, Username: "postgres", FullName: "postgresql"},
			Mongo:    server.ReleaseStore{Internal: true, Hosts: []string{"mongodb:27017"}, Username: "root", FullName: "mongodb"},
		}),
		Writers: engine.Found([]server.Writer(nil)),
		Workloads: engine.Found([]server.Workload{
			workload("Deployment", "api-service", 1), workload("Deployment", "builds-service", 2), workload("Deployment", "contexts-service", 1),
			workload("Deployment", "cron-service", 1), workload("Deployment", "frontend", 3), workload("Deployment", "insights-service", 1),
			workload("Deployment", "orb-service", 1), workload("Deployment", "output-processor", 2), workload("Deployment", "workflows-conductor", 1),
			workload("StatefulSet", "schedulerer", 1),
		}),
		Applied: engine.NotThere[server.Applied](),
		Values:  engine.Found(valuesFiles(true)),
		Journal: engine.NotThere[engine.Journal](), Measured: engine.NotThere[engine.Measured](),
		Lease:  engine.NotThere[engine.LeaseHolder](),
		Denied: engine.Found[[]server.Permission](nil),
	}
	o.Postgres = reconcile.DatastoreObservation{
		Internal: engine.Found(server.InternalStore{
			StatefulSet: engine.Found(server.StatefulSet{Name: "postgresql", Replicas: 1, Ready: 1, Image: "postgresql:12.22"}),
			Secret:      engine.Found(server.SecretInfo{Name: "postgresql", Keys: []string{"password", "postgres-password"}}),
			Services:    []string{"postgresql", "postgresql-hl"},
			Volumes:     []server.Volume{{Claim: "data-postgresql-0", Name: "pvc-2c6f41d0", ReclaimPolicy: "Delete", Bytes: 100 << 30}},
			Unprotected: []string{"volume pvc-2c6f41d0 would be deleted with its claim"},
		}),
		Inspection:  engine.Found(inspection()),
		Credentials: engine.NotThere[server.Credentials](),
		Rehearsal:   engine.NotThere[reconcile.Rehearsed](),
		Lineage:     engine.NotThere[server.Lineage](),
	}
	o.Mongo = reconcile.DatastoreObservation{
		Internal: engine.Found(server.InternalStore{
			StatefulSet: engine.Found(server.StatefulSet{Name: "mongodb", Replicas: 1, Ready: 1, Image: "mongodb:7.0.15"}),
			Secret:      engine.Found(server.SecretInfo{Name: "mongodb", Keys: []string{"mongodb-password", "mongodb-root-password"}}),
			Services:    []string{"mongodb"},
			Volumes:     []server.Volume{{Claim: "datadir-mongodb-0", Name: "pvc-71d0c2aa", ReclaimPolicy: "Delete", Bytes: 100 << 30}},
		}),
		Inspection: engine.Found(server.Inspection{InspectResult: mover.InspectResult{
			At: t0.Add(-4 * time.Second),
			Source: &mover.InspectedSide{Database: &mover.Database{ServerVersion: "7.0.15", VersionNum: 70015,
				Databases: []mover.DatabaseInfo{{Name: "circle_ghe", Bytes: 3 << 30, Tables: 41}}}},
		}}),
		Credentials: engine.NotThere[server.Credentials](),
		Rehearsal:   engine.NotThere[reconcile.Rehearsed](),
		Lineage:     engine.NotThere[server.Lineage](),
	}
	o.Move = engine.NotThere[reconcile.Move]()
	o.Preview = engine.Found(server.Preview{
		Chart: "circleci-server", ChartVersion: "4.10.0", ChartDigest: "sha256:5d1c", Faithful: true,
		Objects: append(switchedObjects(switching...),
			storeObject("StatefulSet"), storeObject("Service"), storeObject("Secret")),
	})
	return o
}

// switching are the workloads that name PostgreSQL's address, addressField is
// where.
var switching = []string{"api-service", "builds-service", "contexts-service", "cron-service", "frontend", "orb-service", "workflows-conductor"}

const addressField = "spec.template.spec.containers[0].env[2].value"

func switchedObjects(names ...string) []server.ObjectPreview {
	var out []server.ObjectPreview
	for _, name := range names {
		out = append(out, server.ObjectPreview{Kind: "Deployment", Name: name, Layer: "application", Action: "update",
			Rendered: []server.RenderedChange{{
				Change:  engine.Change{Field: addressField, From: "postgresql", To: "pg.example.com"},
				Verdict: server.Verdict{Setting: true, Address: []mover.Engine{mover.PostgreSQL}},
			}}})
	}
	return out
}

func storeObject(kind string) server.ObjectPreview {
	return server.ObjectPreview{Kind: kind, Name: "postgresql", Action: server.ObjectKept, Template: "circleci-server/charts/postgresql/templates/x.yaml"}
}

func inspection() server.Inspection {
	return server.Inspection{InspectResult: mover.InspectResult{
		At: t0.Add(-4 * time.Second), PgDump: []int{17, 18},
		Source: &mover.InspectedSide{Database: &mover.Database{
			ServerVersion: "12.22", VersionNum: 120022, SystemIdentifier: "7300000000000000001",
			Role: mover.RolePrivileges{Name: "postgres", Superuser: true},
			Databases: []mover.DatabaseInfo{
				{Name: "conductor_production", Owner: "postgres", Encoding: "UTF8", Collate: "C", CType: "C", Bytes: 5 << 30, Tables: 96, Extensions: map[string]string{"pgcrypto": "1.3"}},
				{Name: "contexts_service_production", Owner: "postgres", Encoding: "UTF8", Collate: "C", CType: "C", Bytes: 180 << 20, Tables: 18},
				{Name: "cron_service_production", Owner: "postgres", Encoding: "UTF8", Collate: "C", CType: "C", Bytes: 40 << 20, Tables: 12},
				{Name: "vms", Owner: "postgres", Encoding: "UTF8", Collate: "C", CType: "C", Bytes: 90 << 20, Tables: 24},
			},
		}},
		Target: &mover.InspectedSide{Database: &mover.Database{
			ServerVersion: "14.20", VersionNum: 140020, SystemIdentifier: "7400000000000000002", TLSVersion: "TLSv1.3",
			Role:       mover.RolePrivileges{Name: "circleci", CreateDB: true, CreateRole: true},
			Extensions: map[string][]string{"pgcrypto": {"1.3"}},
		}},
		Adapted: []string{"role reporting loses BYPASSRLS, which only a superuser can give"},
	}}
}

// measured is the installation after an attempt that went back, and a way back
// of another time.
func measured() reconcile.Observation {
	o := installation()
	then := t0.Add(-5 * 24 * time.Hour)
	quick := func(took time.Duration) engine.Measurement {
		return engine.Measurement{At: then, Took: took, Low: 2 * time.Second, High: time.Minute}
	}
	o.Measured = engine.Found(engine.Measured{
		Steps: map[string]engine.Measurement{
			"quiesce": quick(22 * time.Second), "fence-source/postgresql/out": quick(4 * time.Second), "resume-service": quick(31 * time.Second),
			"copy/postgresql/out": {At: then, Took: 190 * time.Second, Low: 95 * time.Second, High: 8 * time.Minute,
				Moving: 186 * time.Second, Bytes: 5 << 30, Tables: 149},
			"prove/postgresql/back": {At: then, Took: 44 * time.Second, Low: 30 * time.Second, High: 3 * time.Minute,
				Moving: 40 * time.Second, Bytes: 5 << 30, Tables: 149},
		},
		Downtime: map[string]engine.Measurement{"out": {At: then, Took: 288 * time.Second, Low: 2 * time.Minute, High: 14 * time.Minute}},
	})
	return o
}

// stopped is the installation after a copy that was cut off.
func stopped() reconcile.Observation {
	o := installation()
	counts := map[string]int{}
	for i := range o.Workloads.Value {
		w := &o.Workloads.Value[i]
		n := w.Replicas
		counts[w.Key()] = n
		w.Recorded, w.Replicas, w.Ready, w.Pods = &n, 0, 0, 0
	}
	o.Postgres.Internal.Value.Protected = true
	o.Postgres.Internal.Value.Volumes[0].ReclaimPolicy = "Retain"
	o.Postgres.Credentials = engine.Found(server.Credentials{Name: "circleci-dr-postgresql", Matches: true})
	o.Move = engine.Found(reconcile.Move{
		ID: "postgresql-e1", Attempt: 1, Phase: reconcile.MoveOpen, Opened: t0.Add(-6 * time.Minute), Quiesced: t0.Add(-5 * time.Minute),
		Replicas: counts, Revision: 7,
		Parts: []reconcile.Part{{Engine: mover.PostgreSQL, From: spec.Internal, To: spec.External, Epoch: 1, External: "pg.example.com:5432",
			OwnerMap: map[string]string{"postgres": "circleci"},
			Fence:    &mover.FenceResult{Fence: mover.FenceState{ID: "postgresql-e1-a1", Since: t0.Add(-5 * time.Minute), How: "system"}}}},
	})
	o.Journal = engine.Found(engine.Journal{Entries: []engine.JournalEntry{
		{Step: "copy/pg.example.com:5432", Title: "Copy every database", By: "ana@laptop", Begun: t0.Add(-4 * time.Minute)},
	}})
	return o
}

// moved is the installation after a finished move.
func moved() reconcile.Observation {
	o := installation()
	rel := &o.Release.Value
	rel.Revision = 9
	rel.Postgres = server.ReleaseStore{Host: "pg.example.com", Port: 5432, Username: "circleci", ExistingSecret: "circleci-dr-postgresql", SecureMode: true, FullName: "postgresql"}
	counts := map[string]int{}
	for _, w := range o.Workloads.Value {
		counts[w.Key()] = w.Replicas
	}
	pg := &o.Postgres
	pg.Internal = engine.Found(server.InternalStore{
		StatefulSet: engine.NotThere[server.StatefulSet](), Secret: pg.Internal.Value.Secret, Protected: true,
		Volumes: []server.Volume{{Claim: "data-postgresql-0", Name: "pvc-2c6f41d0", ReclaimPolicy: "Retain", Bytes: 100 << 30, KeptSince: t0.Add(-26 * time.Hour)}},
	})
	pg.Credentials = engine.Found(server.Credentials{Name: "circleci-dr-postgresql", Matches: true})
	pg.Lineage = engine.Found(server.Lineage{Epoch: 1, Authoritative: spec.External, Endpoint: "pg.example.com:5432", At: t0.Add(-26 * time.Hour)})
	o.Move = engine.Found(reconcile.Move{ID: "postgresql-e1", Phase: reconcile.MoveFinished})
	insp := inspection()
	insp.Source = nil
	insp.Target.Database.Databases = inspection().Source.Database.Databases
	insp.Target.Database.Lineage = &mover.LineageMark{Installation: "x", Epoch: 1, State: "authoritative"}
	pg.Inspection = engine.Found(insp)
	o.Values = engine.Found(valuesFiles(false))
	o.Applied = engine.Found(server.Applied{At: t0.Add(-26 * time.Hour), By: "ana@laptop", Plan: "4f2a9c1b0e", Revision: 9, ChartVersion: "4.10.0", ConfigDigest: "c0ffee",
		Stores: map[mover.Engine]server.AppliedStore{mover.PostgreSQL: {Location: spec.External, Endpoint: "pg.example.com:5432"}}, Replicas: counts})
	return o
}

func makePlan(t *testing.T, s *spec.Spec, o reconcile.Observation) engine.Plan {
	t.Helper()
	plan, err := reconcile.MakePlan(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func blockedInstallation() reconcile.Observation {
	o := installation()
	o.Postgres.Inspection.Value.Target = &mover.InspectedSide{Code: mover.CodeCredentials, Error: `role "circleci" of pg.example.com:5432 was refused: password authentication failed`}
	o.Preview = engine.CouldNot[server.Preview](errors.New("chart circleci-server 4.10.0 in ./chart lacks its subchart postgresql"))
	o.Release.Value.Manager, o.Release.Value.Evidence = spec.ManagedBy("argocd"), "label argocd.argoproj.io/instance"
	return o
}
