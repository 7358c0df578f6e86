package reconcile

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func TestPreflightNamesEverythingInTheWay(t *testing.T) {
	object := func(o server.ObjectPreview) func(*facts) {
		return func(f *facts) { f.o.Preview.Value.Objects = append(f.o.Preview.Value.Objects, o) }
	}
	address := func(field string) server.RenderedChange {
		return server.RenderedChange{Change: engine.Change{Field: field, From: internalHost, To: externalHost}, Verdict: server.Verdict{Setting: true, Address: []mover.Engine{mover.PostgreSQL}}}
	}
	mark := func(l mover.LineageMark) func(*facts) { return func(f *facts) { f.dst().Lineage = &l } }
	const ours = "uid-1/ci/server"
	golden(t, "preflight.golden", []row{
		{"nothing", func(*facts) {}},
		{"another tool reconciles the release", func(f *facts) {
			f.o.Release.Value.Manager, f.o.Release.Value.Evidence = spec.ManagedByArgoCD, "label app"
		}},
		{"another tool is declared", func(f *facts) { f.s.Server.ManagedBy = spec.ManagedByFlux }},
		{"Argo CD is declared, found and syncs by itself", func(f *facts) {
			f.s.Server.ManagedBy, f.o.Release.Value.Manager, f.o.Release.Value.ManagerObject = spec.ManagedByArgoCD, spec.ManagedByArgoCD, server.ManagerObject{Kind: "Application", Name: "ci"}
			f.o.Reconciliation = engine.Found(server.Reconciliation{Object: "Application argocd/ci", How: "spec.syncPolicy.automated is set"})
		}},
		{"Flux is declared and found, and its object is unreadable", func(f *facts) {
			f.s.Server.ManagedBy, f.o.Release.Value.Manager = spec.ManagedByFlux, spec.ManagedByFlux
			f.o.Release.Value.ManagerObject = server.ManagerObject{Kind: "HelmRelease", Namespace: "flux-system", Name: "ci"}
			f.o.Reconciliation = engine.CouldNot[server.Reconciliation](errors.New("helmreleases.helm.toolkit.fluxcd.io is forbidden"))
		}},
		{"Terraform is declared and found", func(f *facts) {
			f.s.Server.ManagedBy, f.o.Release.Value.Manager = spec.ManagedByTerraform, spec.ManagedByTerraform
		}},
		{"our Secret is kept by somebody else and lacks a key", func(f *facts) {
			f.o.Postgres.Credentials = engine.Found(server.Credentials{Name: "circleci-dr-postgresql", Problem: "Secret circleci-dr-postgresql has no key postgres-password", Owner: "ExternalSecret pg"})
		}},
		{"the runner is the patient", func(f *facts) { f.o.RunnerIsPatient = "CIRCLE_BUILD_URL is on ci.example.com" }},
		{"a release is pending", func(f *facts) { f.o.Release.Value.Status = "pending-upgrade" }},
		{"another version is declared", func(f *facts) { f.s.Server.Version = "4.9.0" }},
		{"no workload", func(f *facts) { f.o.Workloads = engine.Found([]server.Workload{}) }},
		{"a workload is not ready", func(f *facts) { f.o.Workloads.Value[0].Ready, f.o.Workloads.Value[0].Trouble = 0, "ImagePullBackOff" }},
		{"a workload is not ready and says nothing", func(f *facts) { f.o.Workloads.Value[0].Ready = 0 }},
		{"a workload is at zero", func(f *facts) { f.o.Workloads.Value[0].Replicas, f.o.Workloads.Value[0].Ready = 0, 0 }},
		{"everything is at zero, remembered", (*facts).stopped},
		{"rights are missing", func(f *facts) {
			f.o.Denied = engine.Found([]server.Permission{{Verb: "create", Group: "batch", Resource: "jobs"}, {Verb: "get", Resource: "pods/log"}, {Verb: "patch", Group: "apps", Resource: "deployments/scale"}})
		}},
		{"rights are missing that only an apply uses, in a plan", func(f *facts) {
			f.o.For, f.o.Denied = UsePlan, engine.Found([]server.Permission{{Verb: "delete", Group: "apps", Resource: "statefulsets"}})
		}},
		{"rights of both are missing, in a plan", func(f *facts) {
			f.o.For, f.o.Denied = UsePlan, engine.Found([]server.Permission{{Verb: "delete", Group: "apps", Resource: "statefulsets"}, {Verb: "create", Group: "batch", Resource: "jobs"}})
		}},
		{"another chart", func(f *facts) {
			f.o.Preview.Value.Faithful, f.o.Preview.Value.Unfaithful = false, []string{"Service/x is missing"}
		}},
		{"the upgrade creates something", object(server.ObjectPreview{Kind: "Job", Name: "x", Action: "create"})},
		{"the upgrade removes the datastore", object(server.ObjectPreview{Kind: "StatefulSet", Name: internalHost, Action: "delete"})},
		{"the upgrade changes an image", object(server.ObjectPreview{Kind: "Deployment", Name: "api", Action: "update", Layer: "application",
			Rendered: []server.RenderedChange{{Change: engine.Change{Field: "spec.template.spec.containers[0].image", From: "a", To: "b"}}, address("spec.template.spec.containers[0].env[3].value"), {Change: engine.Change{Field: "spec.replicas", From: "1", To: "0"}}}})},
		{"the upgrade undoes a change by hand", object(server.ObjectPreview{Kind: "Deployment", Name: "api", Action: "update", Layer: "application",
			Drifted: []engine.Change{{Field: "spec.template.spec.nodeSelector", From: "{}", To: "none"}, {Field: "spec.replicas", From: "5", To: "1"}}})},
		{"the upgrade would put an older server on newer files", object(server.ObjectPreview{Kind: "StatefulSet", Name: "mongodb", Action: "update", Layer: "data",
			Drifted: []engine.Change{{Field: "spec.template.spec.containers[mongodb].image", From: "mongodb:4.4.15", To: "mongodb:3.6.22"}}})},
		{"the upgrade would write a Secret anew", object(server.ObjectPreview{Kind: "Secret", Name: "session-cookie", Action: "update",
			Rendered: []server.RenderedChange{{Change: engine.Change{Field: "data.session-cookie-key", From: "[redacted]", To: "[redacted, changed]"}}}})},
		{"the upgrade would replace the load balancer", object(server.ObjectPreview{Kind: "Service", Name: "circleci-proxy", Action: "delete"})},
		{"the upgrade changes the host of the other datastore as well", object(server.ObjectPreview{Kind: "Deployment", Name: "api", Action: "update", Layer: "application",
			Rendered: []server.RenderedChange{address("spec.template.spec.containers[0].env[3].value"), {Change: engine.Change{Field: "spec.template.spec.containers[0].env[4].value", From: "mongodb", To: "m.example.com"}}}})},
		{"the upgrade changes the host in an init container and in a Secret", func(f *facts) {
			object(server.ObjectPreview{Kind: "Deployment", Name: "api", Action: "update", Layer: "application", Rendered: []server.RenderedChange{address("spec.template.spec.initContainers[wait].args[2]")}})(f)
			object(server.ObjectPreview{Kind: "Secret", Name: "api", Action: "update", Rendered: []server.RenderedChange{address("data.url")}})(f)
		}},
		{"every upgrade makes a Job and removes the last one", func(f *facts) {
			object(server.ObjectPreview{Kind: "Job", Name: "migrate-6", Action: "create", EveryTime: true})(f)
			object(server.ObjectPreview{Kind: "Job", Name: "migrate-5", Action: "delete", EveryTime: true})(f)
		}},
		{"every upgrade fills annotations and a certificate", func(f *facts) {
			object(server.ObjectPreview{Kind: "Deployment", Name: "api", Action: "update", Renewed: []server.Renewal{{Field: "spec.template.metadata.annotations.rollme"}}})(f)
			object(server.ObjectPreview{Kind: "Secret", Name: "web-tls", Action: "update", Renewed: []server.Renewal{{Field: `data["tls.crt"]`}, {Field: `data["tls.key"]`}}})(f)
		}},
		{"every upgrade makes a password", object(server.ObjectPreview{Kind: "Secret", Name: "redis", Action: "update", Renewed: []server.Renewal{{Field: "data.password", Credential: true}}})},
		{"every upgrade makes the password of the datastore that moves", object(server.ObjectPreview{Kind: "Secret", Name: internalHost, Action: "update", Renewed: []server.Renewal{{Field: "data.postgres-password", Credential: true}}})},
		{"every upgrade makes the password of the datastore that stays", object(server.ObjectPreview{Kind: "Secret", Name: "mongodb", Action: "update", Renewed: []server.Renewal{{Field: "data.mongodb-root-password", Credential: true}}})},
		{"the upgrade changes the address nowhere", func(f *facts) { f.o.Preview.Value.Objects = nil }},
		{"a workload has the address from elsewhere", func(f *facts) {
			w := &f.o.Workloads.Value[0]
			w.Texts = server.Texts{{Object: w.Key(), Field: "spec.template.spec.containers[app].env[URL].value"}: "postgres://u@postgresql.ci.svc:5432/x", {Object: "Secret/other", Field: "data.host"}: "postgresql:5432"}
		}},
		{"a workload says the address in a second place", func(f *facts) {
			w := &f.o.Workloads.Value[0]
			w.Texts[server.Place{Object: w.Key(), Field: "spec.template.spec.containers[app].env[DB_TYPE].value"}] = "postgresql"
			w.Texts[server.Place{Object: "ConfigMap/more", Field: "data.reports"}] = "postgres://u@postgresql:5432/reports"
		}},
		{"workloads say what only looks like the address", func(f *facts) {
			for _, w := range f.o.Workloads.Value {
				for field, text := range lookAlikes {
					w.Texts[server.Place{Object: w.Key(), Field: field}] = text
				}
			}
		}},
		{"no source", func(f *facts) { f.o.Postgres.Inspection.Value.Source = nil }},
		{"the source refuses the password", func(f *facts) {
			f.o.Postgres.Inspection.Value.Source = &mover.InspectedSide{Code: mover.CodeCredentials, Error: "password authentication failed"}
		}},
		{"the target cannot be reached", func(f *facts) {
			f.o.Postgres.Inspection.Value.Target = &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "dial tcp: timeout"}
		}},
		{"one and the same server", func(f *facts) { f.dst().SystemIdentifier = f.src().SystemIdentifier }},
		{"older target", func(f *facts) { f.dst().ServerVersion, f.dst().VersionNum = "11.22", 110022 }},
		{"newer target", func(f *facts) { f.dst().ServerVersion, f.dst().VersionNum = "14.20", 140020 }},
		{"target newer than documented", func(f *facts) { f.dst().ServerVersion, f.dst().VersionNum = "17.1", 170001 }},
		{"target newer than any pg_dump of the image", func(f *facts) {
			f.dst().ServerVersion, f.dst().VersionNum = "19.1", 190001
		}},
		{"source newer than the image's only pg_dump", func(f *facts) {
			f.src().ServerVersion, f.src().VersionNum, f.dst().ServerVersion, f.dst().VersionNum = "18.2", 180002, "18.6", 180006
			f.o.Postgres.Inspection.Value.PgDump = []int{17}
		}},
		{"an image without pg_dump", func(f *facts) { f.o.Postgres.Inspection.Value.PgDump = []int{} }},
		{"a mover that does not say which pg_dump it has", func(f *facts) { f.o.Postgres.Inspection.Value.PgDump = nil }},
		{"target older than documented", func(f *facts) {
			f.src().ServerVersion, f.src().VersionNum, f.dst().ServerVersion, f.dst().VersionNum = "11.22", 110022, "11.22", 110022
		}},
		{"target newer than documented, of a release that names no limit", func(f *facts) {
			f.dst().ServerVersion, f.dst().VersionNum, f.o.Release.Value.ChartVersion, f.o.At = "15.4", 150004, "4.7.15", onDay(2025, 1, 1)
			f.o.Cluster.Value.Version = "v1.32.0"
		}},
		{"Kubernetes newer than documented", func(f *facts) { f.o.Cluster.Value.Version = "v1.36.1-gke.100" }},
		{"Kubernetes older than documented", func(f *facts) { f.o.Cluster.Value.Version = "v1.9.0" }},
		{"the last day of support", func(f *facts) { f.o.At = onDay(2027, 5, 13).Add(23 * time.Hour) }},
		{"support ended, as was announced", func(f *facts) { f.o.At = onDay(2027, 5, 14) }},
		{"support ended", func(f *facts) { f.o.Release.Value.ChartVersion = "4.8.2" }},
		{"a release nobody knows yet", func(f *facts) { f.o.Release.Value.ChartVersion, f.o.Cluster.Value.Version = "4.11.0", "v1.40.0" }},
		{"the Secret has the key of 3.x", func(f *facts) {
			f.o.Postgres.Internal.Value.Secret = engine.Found(server.SecretInfo{Name: "postgresql", Keys: []string{"postgresql-password"}})
		}},
		{"the Secret has no key that fits", func(f *facts) {
			f.o.Postgres.Internal.Value.Secret = engine.Found(server.SecretInfo{Name: "postgresql", Keys: []string{"passwrod"}})
		}},
		{"TLS is off", func(f *facts) { f.pg().External.TLS.Mode = spec.TLSDisable }},
		{"TLS is too old", func(f *facts) { f.dst().TLSVersion = "TLS 1.2" }},
		{"TLS is old, and so is the release", func(f *facts) { f.dst().TLSVersion, f.o.Release.Value.ChartVersion = "TLS 1.2", "4.8.2" }},
		{"the source's role is no superuser", func(f *facts) { f.src().Role.Superuser = false }},
		{"the target's role may nothing", func(f *facts) { f.dst().Role = mover.RolePrivileges{Name: "circleci"} }},
		{"the target's role is an admin", func(f *facts) {
			f.dst().Role = mover.RolePrivileges{Name: "circleci", CreateDB: true, CreateRole: true}
		}},
		{"unknown locale", func(f *facts) {
			f.src().Databases[0].Collate, f.dst().Locales = "de_DE.UTF-8", []string{"C", "en_US.UTF-8"}
		}},
		{"unknown locales in many databases", func(f *facts) {
			f.dst().Locales = []string{"C", "en_US.UTF-8"}
			f.src().Databases[0].Collate, f.src().Databases[0].CType = "C", "C"
			for i := range 10 {
				f.src().Databases = append(f.src().Databases, mover.DatabaseInfo{Name: fmt.Sprintf("db%d", i), Collate: "de_DE.UTF-8", CType: []string{"de_DE.UTF-8", "fr_FR.UTF-8"}[i%2]})
			}
			f.src().Databases[3].Collate = "nl_NL.UTF-8"
		}},
		{"ICU on a target without it", func(f *facts) { f.src().Databases[0].ICULocale = "de-DE" }},
		{"ICU on a target with it", func(f *facts) { f.src().Databases[0].ICULocale, f.dst().ICU = "de-DE", true }},
		{"something cannot be carried", func(f *facts) {
			f.o.Postgres.Inspection.Value.Blocked = []mover.UnsupportedObject{{Database: "circleci", Object: "subscription s", Reason: "it would run twice"}}
		}},
		{"what this target can take", func(f *facts) {
			f.src().Unsupported = []mover.UnsupportedObject{{Database: "circleci", Object: "event trigger e", Reason: "only a superuser can create it on the target"}}
		}},
		{"much cannot be carried, for two reasons", func(f *facts) {
			list := []mover.UnsupportedObject{{Database: "wiki", Object: "database wiki", Reason: "it takes no connections"}}
			for i := range 10 {
				list = append(list, mover.UnsupportedObject{Database: "circleci", Object: fmt.Sprintf("event trigger e%d", i), Reason: "only a superuser can create it on the target"})
			}
			f.o.Postgres.Inspection.Value.Blocked = list
		}},
		{"an extension only a superuser may install", func(f *facts) {
			f.src().Databases[0].Extensions = map[string]string{"uuid-ossp": "1.1"}
			f.dst().Extensions, f.dst().Restricted = map[string][]string{"uuid-ossp": {"1.1"}}, map[string][]string{"uuid-ossp": {"1.1"}}
		}},
		{"extension missing", func(f *facts) {
			f.src().Databases[0].Extensions = map[string]string{"pg_partman": "4.5.1", "plpgsql": "1.0"}
		}},
		{"extension of another version", func(f *facts) {
			f.src().Databases[0].Extensions, f.dst().Extensions = map[string]string{"pg_partman": "4.5.1"}, map[string][]string{"pg_partman": {"5.0.0"}}
		}},
		{"extension of an undocumented version", func(f *facts) {
			f.src().Databases[0].Extensions, f.dst().Extensions = map[string]string{"pg_partman": "4.6.0"}, map[string][]string{"pg_partman": {"4.6.0"}}
		}},
		{"target of another installation", mark(mover.LineageMark{Installation: "uid-2/ci/server", State: "copied"})},
		{"target of an installation whose name begins the same", mark(mover.LineageMark{Installation: ours + "-2", State: "copied"})},
		{"target was authoritative", mark(mover.LineageMark{Installation: ours, State: "authoritative", Epoch: 3})},
		{"target was superseded", mark(mover.LineageMark{Installation: ours, State: "superseded", Epoch: 2})},
		{"target holds a cut-off copy of ours", mark(mover.LineageMark{Installation: ours, State: "copying"})},
		{"target in a state nobody knows", mark(mover.LineageMark{Installation: ours, State: "frozen"})},
		{"target holds something", func(f *facts) { f.dst().Databases = []mover.DatabaseInfo{{Name: "wiki"}, {Name: "empty", Empty: true}} }},
		{"source says it was superseded", func(f *facts) {
			f.src().Lineage = &mover.LineageMark{Installation: ours, State: "superseded", Epoch: 3}
		}},
		{"source is fenced by somebody", func(f *facts) { f.src().Fence = &mover.FenceState{ID: "postgresql-e9-a9"} }},
		{"disk not declared", func(f *facts) { f.pg().External.DiskGiB = 0 }},
		{"disk too small", func(f *facts) { f.pg().External.DiskGiB = 1 }},
		{"disk smaller than advised", func(f *facts) { f.pg().External.DiskGiB = 93 }},
		{"disk as advised", func(f *facts) { f.pg().External.DiskGiB = 94 }},
		{"target takes fewer connections", func(f *facts) {
			f.src().Settings, f.dst().Settings = map[string]string{"max_connections": "500"}, map[string]string{"max_connections": "100", "superuser_reserved_connections": "3"}
			f.src().Sessions = []mover.SessionCount{{Role: "postgres", Database: "a", Count: 90}, {Role: "postgres", Database: "b", Count: 7}}
		}},
		{"target takes fewer connections than there are", func(f *facts) {
			f.src().Settings, f.dst().Settings = map[string]string{"max_connections": "500"}, map[string]string{"max_connections": "100", "superuser_reserved_connections": "3"}
			f.src().Sessions = []mover.SessionCount{{Role: "postgres", Database: "a", Count: 98}}
		}},
		{"target takes more connections", func(f *facts) {
			f.src().Settings, f.dst().Settings = map[string]string{"max_connections": "500"}, map[string]string{"max_connections": "500"}
		}},
		{"target without the worker of pg_partman", func(f *facts) {
			f.src().Databases[0].Extensions, f.dst().Extensions = map[string]string{"pg_partman": "4.5.1"}, map[string][]string{"pg_partman": {"4.5.1"}}
			f.src().Settings, f.dst().Settings = map[string]string{"shared_preload_libraries": "pg_stat_statements, pg_partman_bgw"}, map[string]string{"shared_preload_libraries": ""}
		}},
		{"target with the worker of pg_partman", func(f *facts) {
			f.src().Databases[0].Extensions, f.dst().Extensions = map[string]string{"pg_partman": "4.5.1"}, map[string][]string{"pg_partman": {"4.5.1"}}
			f.src().Settings = map[string]string{"shared_preload_libraries": "pg_partman_bgw"}
			f.dst().Settings = f.src().Settings
		}},
	})
}
