package reconcile

import (
	"context"
	"errors"
	"slices"
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
		settings := DatastoreValues(s, e, version)
		if len(settings) == 0 {
			settings = []Setting{{Path: string(e) + ".internal", Value: true}}
		}
		said.Facts = append(said.Facts, carried(settings).Facts...)
	}
	out := server.DeclaredRelease{Values: said, Release: server.Release{Name: "server", Namespace: "ci", Revision: 7, Status: "deployed", Chart: "circleci-server", ChartVersion: version}}
	var err error
	if out.Release.Postgres, err = StoreOf(mover.PostgreSQL, said); err != nil {
		t.Fatal(err)
	}
	if out.Release.Mongo, err = StoreOf(mover.MongoDB, said); err != nil {
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
		d, err := MakeDraft(Undescribed{Installation: Installation{Context: "prod", DeclaredRelease: rel}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := d.Spec.WithDefaults()
		for _, e := range engines {
			again, want := DatastoreValues(got, e, "4.10.0"), DatastoreValues(s, e, "4.10.0")
			if len(want) == 0 { // left out means inside
				want = []Setting{{Path: "mongodb.internal", Value: true, Default: true, Field: "datastores.mongodb.location"}}
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
	in := Undescribed{Installation: Installation{DeclaredRelease: declaring(t, internalSpec(), "4.10.0")}, Move: engine.Found(Move{ID: "m", Phase: MoveCommitted, Parts: []Part{{Engine: mover.PostgreSQL, To: spec.External, External: "pg:5432"}}})}
	var open *OpenMoveError
	if _, err := MakeDraft(in); !errors.As(err, &open) || !strings.Contains(err.Error(), "move m to ") {
		t.Errorf("got %v", err)
	}
	in.Move.Value.Phase = MoveReverted
	if _, err := MakeDraft(in); err != nil {
		t.Error(err)
	}
}

// The Secret is the one that has the password, under the key that has it.
func TestTheReferenceToAPassword(t *testing.T) {
	secret := func(name string, keys ...string) map[string]engine.Observed[server.SecretInfo] {
		return map[string]engine.Observed[server.SecretInfo]{name: engine.Found(server.SecretInfo{Name: name, Keys: keys})}
	}
	for _, row := range []struct {
		name    string
		e       mover.Engine
		live    server.ReleaseStore
		plain   string // the value that holds a password
		secrets map[string]engine.Observed[server.SecretInfo]
		want    string
		says    []string
	}{
		{"the values table's key", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "password"), "key password of Secret mine", nil},
		{"the manual's key", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "postgres-password"), "key postgres-password of Secret mine", nil},
		{"both", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "postgres-password", "password"), "key password of Secret mine", []string{"postgres-password as well"}},
		{"MongoDB logs in with the root key", mover.MongoDB, server.ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "mongodb-password", "mongodb-root-password"), "key mongodb-root-password of Secret mine", []string{"mongodb-password as well"}},
		{"another key only", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "pw"), "key password of Secret mine", []string{"decide: the release reads Secret mine, which has no key password or postgres-password (its keys: pw). Name the key"}},
		{"no key at all", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", secret("mine"), "key password of Secret mine", []string{"(its keys: none)"}},
		{"not there", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", map[string]engine.Observed[server.SecretInfo]{"mine": engine.NotThere[server.SecretInfo]()}, "key password of Secret mine", []string{"create secret generic mine --from-file=password=FILE"}},
		{"not to be read", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: "mine"}, "", map[string]engine.Observed[server.SecretInfo]{"mine": engine.CouldNot[server.SecretInfo](errors.New("forbidden"))}, "key password of Secret mine", []string{"decide: whether Secret mine has the key could not be read: forbidden"}},
		{"in the values, and the chart's Secret", mover.PostgreSQL, server.ReleaseStore{FullName: "db"}, "postgresql.auth.password", secret("db", "password"), "key password of Secret db", []string{"in plain text"}},
		{"in the values, and the chart's Secret under the usual name", mover.PostgreSQL, server.ReleaseStore{FullName: "db"}, "postgresql.auth.password", secret("postgresql", "password"), "key password of Secret postgresql", []string{"in plain text"}},
		{"in the values, and no Secret", mover.MongoDB, server.ReleaseStore{FullName: "mongodb"}, "mongodb.auth.rootPassword", nil, "key mongodb-root-password of Secret mongodb", []string{"in plain text", "could not be read: it was not looked at"}},
		{"the superuser's in the values is not this one", mover.PostgreSQL, server.ReleaseStore{FullName: "postgresql"}, "postgresql.auth.postgresPassword", map[string]engine.Observed[server.SecretInfo]{"postgresql": engine.NotThere[server.SecretInfo]()},
			"key password of Secret pg-external", []string{"names neither a Secret nor a password"}},
		{"ours", mover.PostgreSQL, server.ReleaseStore{ExistingSecret: CredentialsName(mover.PostgreSQL)}, "", secret(CredentialsName(mover.PostgreSQL), "password"), "key password of Secret circleci-dr-postgresql", []string{"decide: circleci-dr made this Secret"}},
	} {
		in := Installation{Context: "a context", Secrets: row.secrets}
		in.Release.Namespace, in.Release.Postgres, in.Release.Mongo = "ci", row.live, row.live
		if row.plain != "" {
			in.Values.Facts = []server.ValuesFact{{Path: row.plain}}
		}
		ref, remarks := passwordOf(in, row.e)
		if ref.String() != row.want {
			t.Errorf("%s: %s, want %s", row.name, ref, row.want)
		}
		text := strings.Join(remarks, "\n")
		for _, part := range row.says {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q does not say %q", row.name, text, part)
			}
		}
		if row.says == nil && text != "" {
			t.Errorf("%s: says %q", row.name, text)
		}
		if strings.Contains(text, "kubectl") && !strings.Contains(text, "kubectl --context 'a context' --namespace ci ") {
			t.Errorf("%s: %s", row.name, text)
		}
	}
}

// No two rows are of one value, and the tables of both engines have what the
// documented list has.
func TestTheTableOfValues(t *testing.T) {
	paths := ValuesPaths()
	for i, p := range paths {
		if slices.Contains(paths[:i], p) {
			t.Errorf("%s stands there twice", p)
		}
		known := slices.ContainsFunc(valuesKeys, func(k Key) bool { return k.Name == p })
		if !known && !strings.HasSuffix(p, ".fullnameOverride") && !strings.HasSuffix(p, ".nameOverride") {
			t.Errorf("no source documents %s", p)
		}
	}
	if chartKnows("postgresql.secureMode", "4.8.9") || !chartKnows("postgresql.secureMode", "4.10.0") || !chartKnows("postgresql.secureMode", "") || chartKnows("postgresql.secureMode", "latest") ||
		!chartKnows("postgresql.internal", "latest") || !chartKnows("mongodb.hosts", "3.4.1") {
		t.Error("the versions of a value are not those of the table")
	}
}

func TestWhatValuesSayOfTheRelease(t *testing.T) {
	got, err := StoreOf(mover.MongoDB, said("mongodb.internal", false, "mongodb.hosts", " a ,[fd00::1]:27018,,b:1", "mongodb.ssl", true, "mongodb.fullnameOverride", nil, "mongodb.auth.username", 7))
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
		if _, err := StoreOf(mover.MongoDB, row.values); err == nil || err.Error() != row.want {
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
		settings := DatastoreValues(s, mover.MongoDB, "4.10.0")
		files := carried(settings)
		for i := range files.Facts {
			if files.Facts[i].Path == "mongodb.options" {
				files.Facts[i].Value = row.b
			}
		}
		if devs := Deviations(settings, files); (len(devs) == 0) != row.same {
			t.Errorf("%s and %s: %v", row.a, row.b, devs)
		}
	}
}
