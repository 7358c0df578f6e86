package reconcile

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// declaring is a release whose values say what a spec makes of them.
func declaring(t *testing.T, s *spec.Spec, version string) server.DeclaredRelease {
	t.Helper()
	var said server.DeclaredValues
	for _, e := range engines {
		settings := server.DatastoreValues(s, e, version)
		if len(settings) == 0 {
			settings = []server.Setting{{Path: string(e) + ".internal", Value: true}}
		}
		said.Facts = append(said.Facts, carried(settings).Facts...)
	}
	out := server.DeclaredRelease{Values: said, Release: server.Release{Name: "server", Namespace: "ci", Revision: 7, Status: "deployed", Chart: "circleci-server", ChartVersion: version}}
	var err error
	if out.Release.Postgres, err = server.StoreOf(mover.PostgreSQL, said); err != nil {
		t.Fatal(err)
	}
	if out.Release.Mongo, err = server.StoreOf(mover.MongoDB, said); err != nil {
		t.Fatal(err)
	}
	return out
}

// bothOutside is a spec with both datastores outside, changed.
func bothOutside(change func(pg *spec.PostgreSQLExternal, mg *spec.MongoDBExternal)) *spec.Spec {
	s := mongoValuesSpec()
	change(s.Datastores.PostgreSQL.External, s.Datastores.MongoDB.External)
	return s.WithDefaults()
}

// The table is read both ways: what a spec makes of the values, the values make
// of a draft. References, authorities and disks are in no value.
func TestADraftSaysWhatASpecMadeOfTheValues(t *testing.T) {
	off := false
	for name, s := range map[string]*spec.Spec{
		"inside":  internalSpec(),
		"outside": bothOutside(func(*spec.PostgreSQLExternal, *spec.MongoDBExternal) {}),
		"without TLS": bothOutside(func(pg *spec.PostgreSQLExternal, mg *spec.MongoDBExternal) {
			pg.TLS.Mode, mg.TLS.Enabled = spec.TLSDisable, &off
		}),
		"other ports, users and databases": bothOutside(func(pg *spec.PostgreSQLExternal, mg *spec.MongoDBExternal) {
			pg.Port, pg.Username, mg.AuthSource, mg.Mechanism, mg.Hosts = 6432, "c i", "users", "SCRAM-SHA-1", []string{"[fd00::1]:27019", "m2"}
		}),
		"no replica set": bothOutside(func(_ *spec.PostgreSQLExternal, mg *spec.MongoDBExternal) {
			mg.ReplicaSet, mg.Options = "", "w=majority&retryWrites=false"
		}),
	} {
		rel := declaring(t, s, "4.10.0")
		d, err := MakeDraft(Undescribed{Installation: server.Installation{Context: "prod", DeclaredRelease: rel}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := d.Spec.WithDefaults()
		for _, e := range engines {
			again, want := server.DatastoreValues(got, e, "4.10.0"), server.DatastoreValues(s, e, "4.10.0")
			if len(want) == 0 { // left out means inside
				want = []server.Setting{{Path: "mongodb.internal", Value: true, Default: true, Field: "datastores.mongodb.location"}}
			}
			if diff := cmp.Diff(want, again); diff != "" {
				t.Errorf("%s, %s: %s", name, e, diff)
			}
		}
		ignored := []cmp.Option{cmpopts.IgnoreFields(spec.PostgreSQLExternal{}, "Password", "DiskGiB"), cmpopts.IgnoreFields(spec.MongoDBExternal{}, "Password", "DiskGiB")}
		if diff := cmp.Diff(s.Datastores.PostgreSQL, got.Datastores.PostgreSQL, ignored...); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if mg := s.Datastores.MongoDB; mg != nil {
			if diff := cmp.Diff(mg, got.Datastores.MongoDB, ignored...); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

// A draft changes nothing: not before a move, and not after one.
func TestAPlanOfADraftHasNoSteps(t *testing.T) {
	t.Parallel()
	w := newWorld()
	check := func(when string, s *spec.Spec) {
		t.Helper()
		rel := declaring(t, s, releases{w}.Release(context.Background()).Value.ChartVersion)
		rel.Release = releases{w}.Release(context.Background()).Value
		in := ObserveInstallation(context.Background(), "prod", rel, w, records{w})
		d, err := MakeDraft(in)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		_, plan, err := w.plan(d.Spec.WithDefaults())
		if err != nil || len(plan.Steps) > 0 || len(plan.Blocked()) > 0 {
			t.Errorf("%s: steps %v, findings %v, error %v", when, plan.Steps, plan.Findings, err)
		}
	}
	check("before a move", internalSpec())
	w.converge(t, externalSpec())
	check("after a move", externalSpec())
}

func TestNoDraftWhileAMoveIsOpen(t *testing.T) {
	in := Undescribed{Installation: server.Installation{DeclaredRelease: declaring(t, internalSpec(), "4.10.0")}, Move: engine.Found(Move{ID: "m", Phase: MoveCommitted, Parts: []Part{{Engine: mover.PostgreSQL, To: spec.External, External: "pg:5432"}}})}
	var open *OpenMoveError
	if _, err := MakeDraft(in); !errors.As(err, &open) || !strings.Contains(err.Error(), "move m to ") {
		t.Errorf("got %v", err)
	}
	in.Move.Value.Phase = MoveReverted
	if _, err := MakeDraft(in); err != nil {
		t.Error(err)
	}
}

func TestWhatValuesSayOfTheRelease(t *testing.T) {
	got, err := server.StoreOf(mover.MongoDB, said("mongodb.internal", false, "mongodb.hosts", " a ,[fd00::1]:27018,,b:1", "mongodb.ssl", true, "mongodb.fullnameOverride", nil, "mongodb.auth.username", 7))
	want := server.ReleaseStore{Hosts: []string{"a:27017", "[fd00::1]:27018", "b:1"}, SecureMode: true, FullName: "mongodb", Username: "7"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
	for _, row := range []struct {
		values server.DeclaredValues
		want   string
	}{
		{said("mongodb.hosts", []any{"a"}), "mongodb.hosts is a list or a block, not one value"},
		{said("mongodb.internal", "false"), "mongodb.internal is not true or false"},
	} {
		if _, err := server.StoreOf(mover.MongoDB, row.values); err == nil || err.Error() != row.want {
			t.Errorf("got %v, want %s", err, row.want)
		}
	}
}

// A file whose options stand in another order than the spec's says the same.
func TestTheOrderOfOptionsIsNoDeviation(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"replicaSet=rs0&retryWrites=false", "retryWrites=false&replicaSet=rs0", true},
		{"replicaSet=rs0", "replicaSet=rs1", false},
		{"readPreferenceTags=dc:a&readPreferenceTags=dc:b&w=1", "w=1&readPreferenceTags=dc:b&readPreferenceTags=dc:a", false},
		{"readPreferenceTags=dc:a&readPreferenceTags=dc:b&w=1", "w=1&readPreferenceTags=dc:a&readPreferenceTags=dc:b", true},
		{"w=1", "w=1&w=1", false},
		{"", "w=1", false},
	} {
		s := bothOutside(func(_ *spec.PostgreSQLExternal, mg *spec.MongoDBExternal) { mg.ReplicaSet, mg.Options = "", row.a })
		settings := server.DatastoreValues(s, mover.MongoDB, "4.10.0")
		files := carried(settings)
		for i := range files.Facts {
			if files.Facts[i].Path == "mongodb.options" {
				files.Facts[i].Value = row.b
			}
		}
		if devs := server.Deviations(settings, files); (len(devs) == 0) != row.same {
			t.Errorf("%s and %s: %v", row.a, row.b, devs)
		}
	}
}
