package reconcile

import (
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// factsOf is the installation a flow begins with, as its plan sees it.
func factsOf(name string) func(*testing.T) *facts {
	return func(t *testing.T) *facts {
		t.Helper()
		for _, f := range flows {
			if f.name != name {
				continue
			}
			w := f.begin(t)
			w.apps["Deployment/unused"].replicas = 1
			w.rest()
			o, _, err := w.plan(f.spec())
			if err != nil {
				t.Fatal(err)
			}
			return &facts{f.spec(), o}
		}
		t.Fatalf("there is no flow %s", name)
		return nil
	}
}

func TestPreflightOfMongoDB(t *testing.T) {
	src := func(f *facts) *mover.Database { return f.o.Mongo.Inspection.Value.Source.Database }
	dst := func(f *facts) *mover.Database { return f.o.Mongo.Inspection.Value.Target.Database }
	goldenFrom(t, "preflight-mongodb.golden", factsOf("MongoDB out"), []row{
		{"nothing", func(*facts) {}},
		{"not inspected", func(f *facts) { f.o.Mongo.Inspection = engine.CouldNot[server.Inspection](errRead) }},
		{"the target cannot be reached", func(f *facts) {
			f.o.Mongo.Inspection.Value.Target = &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "no reachable servers"}
		}},
		{"Amazon DocumentDB", func(f *facts) { dst(f).Settings["product"] = "documentdb" }},
		{"another series", func(f *facts) { dst(f).ServerVersion, dst(f).VersionNum = "6.0.27", 60027 }},
		{"another patch", func(f *facts) { dst(f).ServerVersion, dst(f).VersionNum = "7.0.2", 70002 }},
		{"another compatibility", func(f *facts) { dst(f).Settings["featureCompatibilityVersion"] = "6.0" }},
		{"a compatibility nobody may read", func(f *facts) { dst(f).Settings["featureCompatibilityVersion"] = "unreadable" }},
		{"below the floor of the release", func(f *facts) {
			for _, d := range []*mover.Database{src(f), dst(f)} {
				d.ServerVersion, d.VersionNum = "4.4.2", 40402
			}
		}},
		{"below the floor, and so is the release", func(f *facts) {
			f.o.Release.Value.ChartVersion = "4.8.2"
			for _, d := range []*mover.Database{src(f), dst(f)} {
				d.ServerVersion, d.VersionNum = "3.6.22", 30622
			}
		}},
		{"a secondary", func(f *facts) { dst(f).Settings["writable"] = "false" }},
		{"a user without rights", func(f *facts) { dst(f).Role = mover.RolePrivileges{Name: "circleci", MemberOf: []string{"read@admin"}} }},
		{"a user whose rights the target does not tell", func(f *facts) {
			dst(f).Role, dst(f).Settings["privileges"] = mover.RolePrivileges{Name: "circleci"}, "unreadable"
		}},
		{"a majority that never comes", func(f *facts) {
			dst(f).Settings["majority"] = "a write did not reach a majority of replica set rs0 within 10s: b:27017 is (not reachable/healthy)"
		}},
		{"a target that lets nobody try", func(f *facts) {
			dst(f).Settings["trial"] = "create in database circleci_dr_trial_1: (AtlasError) not allowed"
		}},
		{"much less on disk than in documents", func(f *facts) {
			f.s.Datastores.MongoDB.External.DiskGiB = 2
			src(f).Databases = []mover.DatabaseInfo{{Name: "circle_ghe", Bytes: 4 << 30, OnDisk: 1 << 30}}
		}},
		{"something that is not ours", func(f *facts) {
			dst(f).Databases = []mover.DatabaseInfo{{Name: "theirs", Bytes: 1}}
		}},
		{"a copy of another installation", func(f *facts) { dst(f).Lineage = &mover.LineageMark{Installation: "other", State: "copied"} }},
		{"the source is fenced by somebody", func(f *facts) { src(f).Fence = &mover.FenceState{ID: "mongodb-e9-a9", How: "watch"} }},
		{"an index the target no longer knows", func(f *facts) {
			f.o.Mongo.Inspection.Value.Blocked = []mover.UnsupportedObject{{Database: "circle_ghe", Object: "places", Reason: "a geoHaystack index"}}
		}},
		{"no disk declared", func(f *facts) { f.s.Datastores.MongoDB.External.DiskGiB = 0 }},
		{"too little disk", func(f *facts) { f.s.Datastores.MongoDB.External.DiskGiB = 1 }},
	})
}

func TestPreflightOfTheWayBack(t *testing.T) {
	src := func(f *facts) *mover.Database { return f.o.Postgres.Inspection.Value.Source.Database }
	goldenFrom(t, "preflight-back.golden", factsOf("back"), []row{
		{"nothing", func(*facts) {}},
		{"not inspected", func(f *facts) { f.o.Postgres.Inspection = engine.CouldNot[server.Inspection](errRead) }},
		{"the external server cannot be reached", func(f *facts) {
			f.o.Postgres.Inspection.Value.Source = &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "dial tcp: timeout"}
		}},
		{"the external server is newer", func(f *facts) { src(f).ServerVersion, src(f).VersionNum = "14.20", 140020 }},
		{"the external server is newer than any pg_dump of the image", func(f *facts) { f.o.Postgres.Inspection.Value.PgDump = []int{10} }},
		{"the internal version is not on record", func(f *facts) { f.o.Postgres.Lineage.Value.InternalVersion = 0 }},
		{"the internal server runs already", func(f *facts) {
			f.o.Postgres.Internal.Value.StatefulSet = engine.Found(server.StatefulSet{Name: internalHost})
		}},
		{"the Secret is lost", func(f *facts) { f.o.Postgres.Internal.Value.Secret = engine.NotThere[server.SecretInfo]() }},
		{"the Secret cannot be read", func(f *facts) { f.o.Postgres.Internal.Value.Secret = engine.CouldNot[server.SecretInfo](errRead) }},
		{"a volume nobody knows", func(f *facts) {
			f.o.Postgres.Lineage = engine.NotThere[server.Lineage]()
			f.o.Move = engine.NotThere[Move]()
		}},
		{"a volume of a way back that was finished, and its record is lost", func(f *facts) {
			f.o.Postgres.Lineage = engine.NotThere[server.Lineage]()
			f.move(Move{ID: "postgresql-e1", Phase: MoveFinished, Parts: []Part{{Engine: mover.PostgreSQL, From: spec.External, To: spec.Internal, Epoch: 1}}})
		}},
		{"a release without secureMode", func(f *facts) { f.o.Release.Value.ChartVersion = "4.8.2" }},
		{"no volume, roles without a password", func(f *facts) {
			f.o.Postgres.Internal.Value.Volumes = nil
			src(f).Role.Superuser = false
			src(f).Roles = []mover.RoleInfo{{Name: "reporting", Login: true}, {Name: "owners"}}
		}},
		{"a table we may not read", func(f *facts) {
			src(f).Unsupported = []mover.UnsupportedObject{{Database: "circleci", Object: "table secrets", Reason: "row level security hides rows"}, {Object: "event trigger x", Reason: "superuser", Superuser: true}}
		}},
		{"the file forgot the server", func(f *facts) { f.pg().External = nil }},
		{"the file names another server", func(f *facts) { f.pg().External.Host = "other.example.com" }},
		{"the kept volume, and its date", func(f *facts) {
			f.o.Postgres.Internal.Value.Volumes[0].KeptSince = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		}},
	})
}

func TestOneDirectionAtATime(t *testing.T) {
	f := factsOf("both out")(t)
	f.external("circleci-dr-postgresql")
	f.pg().Location = spec.Internal
	p, err := MakePlan(f.s, f.o)
	if err != nil {
		t.Fatal(err)
	}
	if blocked := p.Blocked(); len(blocked) == 0 || blocked[0].ID != "two-directions" {
		t.Errorf("findings are %+v", p.Findings)
	}
}
