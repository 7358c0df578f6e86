package reconcile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// said is what one values file says, path by path, each in the line of its
// place in the list.
func said(pairs ...any) server.DeclaredValues {
	v := server.DeclaredValues{Files: []string{"values.yaml"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Facts = append(v.Facts, server.ValuesFact{Path: pairs[i].(string), File: "values.yaml", Line: i/2 + 1, Value: pairs[i+1]})
	}
	return v
}

// carried is what files say that carry settings in full.
func carried(settings []server.Setting) server.DeclaredValues {
	var pairs []any
	for _, st := range settings {
		pairs = append(pairs, st.Path, st.Value)
	}
	return said(pairs...)
}

func mongoValuesSpec() *spec.Spec {
	s := externalSpec()
	s.Datastores.MongoDB = &spec.MongoDB{Location: spec.External, External: &spec.MongoDBExternal{
		Hosts: []string{"m0:27017", "m1:27017"}, Username: "circleci", Mechanism: "SCRAM-SHA-256", ReplicaSet: "rs 0", Options: "retryWrites=false",
		Password: spec.SecretRef{Env: "MONGO"},
	}}
	return s.WithDefaults()
}

func texts(settings []server.Setting) []string {
	var out []string
	for _, st := range settings {
		out = append(out, fmt.Sprintf("%s=%v", st.Path, st.Value))
	}
	return out
}

func TestTheBlockOfALocation(t *testing.T) {
	external := func(more ...string) []string {
		return append([]string{"postgresql.internal=false", "postgresql.postgresqlHost=pg.example.com", "postgresql.postgresqlPort=5432"},
			append(more, "postgresql.auth.username=circleci", "postgresql.auth.existingSecret=circleci-dr-postgresql")...)
	}
	plain := externalSpec()
	plain.Datastores.PostgreSQL.External.TLS.Mode = spec.TLSDisable
	for _, row := range []struct {
		name    string
		s       *spec.Spec
		engine  mover.Engine
		version string
		want    []string
	}{
		{"4.10", externalSpec(), mover.PostgreSQL, "4.10.0", external("postgresql.secureMode=true")},
		{"4.9", externalSpec(), mover.PostgreSQL, "4.9.0", external("postgresql.secureMode=true")},
		{"4.8 has no secureMode", externalSpec(), mover.PostgreSQL, "4.8.2", external()},
		{"any version", externalSpec(), mover.PostgreSQL, "", external("postgresql.secureMode=true")},
		{"no TLS", plain, mover.PostgreSQL, "4.10.0", external("postgresql.secureMode=false")},
		{"internal", internalSpec(), mover.PostgreSQL, "4.10.0", []string{"postgresql.internal=true"}},
		{"nothing said", externalSpec(), mover.MongoDB, "4.10.0", nil},
		{"MongoDB", mongoValuesSpec(), mover.MongoDB, "4.10.0", []string{"mongodb.internal=false", "mongodb.hosts=m0:27017,m1:27017", "mongodb.ssl=true", "mongodb.tlsInsecure=false",
			"mongodb.options=replicaSet=rs%200&retryWrites=false", "mongodb.auth.database=admin", "mongodb.auth.mechanism=SCRAM-SHA-256",
			"mongodb.auth.username=circleci", "mongodb.auth.existingSecret=circleci-dr-mongodb"}},
	} {
		settings := server.DatastoreValues(row.s, row.engine, row.version)
		if got := texts(settings); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v", row.name, got)
		}
		for _, st := range settings {
			if !slices.Contains(server.ValuesPaths(), st.Path) || st.Field == "" {
				t.Errorf("%s: %+v is not read from the files, or comes from nowhere", row.name, st)
			}
		}
	}
}

// What the switch sets and what the files must carry can never be two things.
func TestTheSwitchSetsWhatTheFilesMustCarry(t *testing.T) {
	for _, version := range []string{"4.1.0", "4.8.9", "4.9.0", "4.10.0"} {
		for _, mode := range []spec.TLSMode{spec.TLSDisable, spec.TLSRequire, spec.TLSVerifyFull} {
			s := externalSpec()
			s.Datastores.PostgreSQL.External.TLS.Mode = mode
			set := switchChange(s, server.Release{ChartVersion: version, Postgres: server.ReleaseStore{Internal: true, FullName: "postgresql"}}, []Part{{Engine: mover.PostgreSQL, To: spec.External}}).Set
			settings := server.WantedValues(s, mover.PostgreSQL, version, "", server.DeclaredValues{})
			if !reflect.DeepEqual(set, server.ValuesTree(settings)) {
				t.Errorf("%s %s: the switch sets %v, the files would carry %v", version, mode, set, settings)
			}
			if devs := server.Deviations(server.WantedValues(s, mover.PostgreSQL, version, "", carried(settings)), carried(settings)); len(devs) != 0 {
				t.Errorf("%s %s: files that carry the block lack %v", version, mode, devs)
			}
		}
	}
}

func TestAValueIsFoundByItsNames(t *testing.T) {
	tree := map[string]any{"internal": false, "auth": map[string]any{"username": "u", "password": nil}}
	for _, row := range []struct {
		names []string
		want  any
	}{
		{[]string{"internal"}, false}, {[]string{"auth", "username"}, "u"},
		{[]string{"auth", "password"}, nil}, {[]string{"auth", "other"}, nil}, {[]string{"other", "username"}, nil},
		{[]string{"internal", "deeper"}, nil}, {[]string{"auth", "password", "deeper"}, nil},
	} {
		if got := server.ValueAt(tree, row.names...); got != row.want {
			t.Errorf("%v is %v, want %v", row.names, got, row.want)
		}
	}
	if got := server.ValueAt(nil, "auth", "username"); got != nil {
		t.Errorf("an empty tree has %v", got)
	}
}

func TestWantedValuesRespectWhatTheFilesSay(t *testing.T) {
	pg := func(more ...any) server.DeclaredValues {
		return said(append([]any{"postgresql.internal", false, "postgresql.postgresqlHost", externalHost, "postgresql.auth.username", "circleci"}, more...)...)
	}
	for _, row := range []struct {
		name   string
		s      *spec.Spec
		secret string
		files  server.DeclaredValues
		lacks  []string // what has to change
		unused int      // passwords that nothing reads then
	}{
		{"a file with nothing", externalSpec(), "", said(), []string{"postgresql.internal=false", "postgresql.postgresqlHost=pg.example.com",
			"postgresql.secureMode=true", "postgresql.auth.username=circleci", "postgresql.auth.existingSecret=circleci-dr-postgresql"}, 0},
		{"the right block with a text for a port", externalSpec(), "", pg("postgresql.postgresqlPort", "5432", "postgresql.secureMode", true, "postgresql.auth.existingSecret", server.CredentialsName(mover.PostgreSQL)), nil, 0},
		{"a text is no false", externalSpec(), "", said("postgresql.internal", "false", "postgresql.postgresqlHost", externalHost, "postgresql.secureMode", true,
			"postgresql.auth.username", "circleci", "postgresql.auth.existingSecret", server.CredentialsName(mover.PostgreSQL)), []string{"postgresql.internal=false"}, 0},
		{"adopted, with a Secret of its own", externalSpec(), "", pg("postgresql.secureMode", true, "postgresql.auth.existingSecret", "mine"), nil, 0},
		{"adopted, with its password in the file", externalSpec(), "", pg("postgresql.secureMode", true, "postgresql.auth.password", nil), nil, 0},
		{"the same, told which Secret", externalSpec(), "theirs", pg("postgresql.secureMode", true, "postgresql.auth.existingSecret", "mine"), []string{"postgresql.auth.existingSecret=theirs"}, 0},
		{"moved, with the old passwords", externalSpec(), "", said("postgresql.internal", true, "postgresql.auth.postgresPassword", nil, "postgresql.auth.password", nil, "mongodb.auth.password", nil),
			[]string{"postgresql.internal=false", "postgresql.postgresqlHost=pg.example.com", "postgresql.secureMode=true", "postgresql.auth.username=circleci",
				"postgresql.auth.existingSecret=circleci-dr-postgresql"}, 2},
		{"internal and silent", internalSpec(), "", said(), nil, 0},
		{"internal, as the chart made it", internalSpec(), "", said("postgresql.internal", true, "postgresql.auth.postgresPassword", nil), nil, 0},
		{"back from outside", internalSpec(), "", pg("postgresql.secureMode", true, "postgresql.fullnameOverride", "db", "postgresql.auth.existingSecret", server.CredentialsName(mover.PostgreSQL)),
			[]string{"postgresql.internal=true", "postgresql.postgresqlHost=db", "postgresql.secureMode=false", "postgresql.auth.existingSecret=db"}, 0},
		{"back, under a name that the release's is in", internalSpec(), "", pg("postgresql.fullnameOverride", nil, "postgresql.nameOverride", "db", "postgresql.auth.existingSecret", server.CredentialsName(mover.PostgreSQL)),
			[]string{"postgresql.internal=true", "postgresql.postgresqlHost=" + internalSpec().Server.Release + "-db", "postgresql.auth.existingSecret=" + internalSpec().Server.Release + "-db"}, 0},
		{"back, but for our Secret", internalSpec(), "", said("postgresql.internal", true, "postgresql.auth.existingSecret", server.CredentialsName(mover.PostgreSQL)), []string{"postgresql.auth.existingSecret=postgresql"}, 0},
		{"null is not the default", internalSpec(), "", said("postgresql.internal", nil), []string{"postgresql.internal=true"}, 0},
	} {
		settings := server.WantedValues(row.s, mover.PostgreSQL, "4.10.0", row.secret, row.files)
		var lacks []server.Setting
		for _, d := range server.Deviations(settings, row.files) {
			lacks = append(lacks, d.Setting)
		}
		if kept := len(settings) < len(server.DatastoreValues(row.s, mover.PostgreSQL, "4.10.0")); kept != strings.HasPrefix(row.name, "adopted") {
			t.Errorf("%s: the files keep a Secret of their own: %t", row.name, kept)
		}
		if got := texts(lacks); !slices.Equal(got, row.lacks) {
			t.Errorf("%s: has to change %v, want %v", row.name, got, row.lacks)
		}
		if got := server.UnusedPasswords(mover.PostgreSQL, settings, row.files); len(got) != row.unused {
			t.Errorf("%s: %v is unused, want %d", row.name, got, row.unused)
		}
	}
}

func TestAPlanSaysWhatTheValuesFilesWillDo(t *testing.T) {
	const write = "run circleci-dr values --write"
	right := func(f *facts) {
		f.o.Values = engine.Found(carried(server.DatastoreValues(f.s, mover.PostgreSQL, "4.10.0")))
	}
	wrong := func(f *facts) { f.o.Values = engine.Found(said("postgresql.internal", true)) }
	moved := func(f *facts) { f.external(server.CredentialsName(mover.PostgreSQL)) }
	for _, row := range []struct {
		name    string
		changes []func(*facts)
		want    []string // id: part of the text|the fix
	}{
		{"before the move", []func(*facts){wrong}, []string{"values-change: postgresql.internal is true (values.yaml:1), 4 more not set|" + write + " once the move is over"}},
		{"ahead of the move", []func(*facts){right}, []string{"values-ahead: point the application there before its data is|upgrade nothing before the move is over"}},
		{"after the move", []func(*facts){moved, wrong}, []string{"values-trap: would bring the internal PostgreSQL back|" + write}},
		{"after the move, in line", []func(*facts){moved, right}, nil},
		{"nothing in the files", []func(*facts){moved, func(f *facts) { f.o.Values = engine.Found(said()) }},
			[]string{"values-trap: postgresql.internal is not set, which means true, 4 more not set|" + write}},
		{"pointed back with old files", []func(*facts){wrong, func(f *facts) { f.lineage(server.Lineage{Epoch: 1, Authoritative: spec.External}) }},
			[]string{"values-trap: would bring the internal PostgreSQL back|" + write}},
		{"internal, and files that are not", []func(*facts){func(f *facts) { right(f); f.s.Datastores = internalSpec().Datastores }},
			[]string{"values-trap: would point the application at another PostgreSQL|" + write}},
		{"unreadable", []func(*facts){func(f *facts) {
			f.o.Values = engine.CouldNot[server.DeclaredValues](errors.New("values.yaml:3: is not valid YAML"))
		}},
			[]string{"values-unread: values.yaml:3: is not valid YAML|look yourself whether they would undo a move"}},
		{"out of reach", []func(*facts){func(f *facts) { f.o.Values = engine.Observed[server.DeclaredValues]{} }}, []string{"values-unread: they were not looked at|look yourself whether they would undo a move"}},
		{"another server", []func(*facts){func(f *facts) {
			f.o.Values = engine.Found(said("postgresql.internal", false, "postgresql.postgresqlHost", "third.example.com"))
		}}, []string{
			"values-differ: name another PostgreSQL than the release and the spec: postgresql.postgresqlHost is third.example.com in values.yaml:2|declare the files this release is upgraded with, as they were last used",
			"values-change: postgresql.postgresqlHost is third.example.com|" + write + " once the move is over"}},
		{"another Secret", []func(*facts){func(f *facts) {
			f.o.Values = engine.Found(said("postgresql.internal", true, "postgresql.auth.existingSecret", "mine"))
		}}, []string{"values-differ: postgresql.auth.existingSecret is mine in values.yaml:2|find out who changed the release without them, or them without the release", "values-change: |" + write + " once the move is over"}},
	} {
		f := before(t)
		f.s.Server.Values = []string{"values.yaml"}
		for _, change := range row.changes {
			change(f)
		}
		p, err := MakePlan(f.s, f.o)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		got := slices.DeleteFunc(p.Findings, func(x engine.Finding) bool { return !strings.HasPrefix(x.ID, "values-") })
		ok := len(got) == len(row.want)
		for i := 0; ok && i < len(got); i++ {
			id, rest, _ := strings.Cut(row.want[i], ": ")
			what, fix, _ := strings.Cut(rest, "|")
			ok = got[i].ID == id && strings.Contains(got[i].What, what) && got[i].Fix == fix && got[i].Field == "server.values" &&
				got[i].Blocks == (row.name == "another server" && i == 0)
		}
		if !ok {
			t.Errorf("%s: findings are %+v, want %v", row.name, got, row.want)
		}
	}
}

func TestDriftReportsValuesFilesThatWouldUndoTheMove(t *testing.T) {
	w, f := after(t)
	f.s.Server.Values = []string{"values.yaml"}
	f.o.Values = engine.Found(said("x", 1, "postgresql.internal", true, "postgresql.auth.username", "postgres"))
	got, err := Drift(f.s, f.o, time.Hour)
	want := []DriftItem{{Class: "changed", Object: "values.yaml:2", Fix: "run circleci-dr values --write",
		What: "a plain helm upgrade with the values files would bring the internal PostgreSQL back, empty or old, and point the application at it: " +
			"postgresql.internal is true (values.yaml:2), postgresql.auth.username is postgres (values.yaml:3), 3 more not set"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, error %v", got, err)
	}

	finished := f.o.Move.Value
	f.move(Move{ID: "m", Phase: MoveCommitted, Parts: finished.Parts})
	if got, err := Drift(f.s, f.o, time.Hour); err != nil || slices.ContainsFunc(got, func(d DriftItem) bool { return d.Class != "unfinished" }) {
		t.Errorf("while a move stands open: %+v, error %v", got, err)
	}
	f.move(finished)

	f.o.Values = engine.Found(carried(server.DatastoreValues(f.s, mover.PostgreSQL, "4.10.0")))
	if got, err := Drift(f.s, f.o, time.Hour); err != nil || len(got) != 0 {
		t.Errorf("files in line: %+v, error %v", got, err)
	}

	f.o.Values = engine.CouldNot[server.DeclaredValues](errors.New("values.yaml is gone"))
	var unread *UnreadableError
	if got, err := Drift(f.s, f.o, time.Hour); len(got) != 0 || !errors.As(err, &unread) || !slices.Equal(unread.What, []string{"server.values: values.yaml is gone"}) {
		t.Errorf("files that cannot be read: %+v, error %v", got, err)
	}

	// The engine in the cluster has no files, and says so.
	if o := Observe(t.Context(), f.s, w.providers(), ObserveOptions{}); !o.Values.Unread() || o.Values.Why == "" {
		t.Errorf("without a reader: %+v", o.Values)
	}
}

// An adopted server keeps the Secret the release names, whatever ours is called.
func TestDriftAsksForTheReleasesOwnSecret(t *testing.T) {
	_, f := after(t)
	f.s.Server.Values = []string{"values.yaml"}
	f.external("mine")
	f.o.Applied = engine.NotThere[server.Applied]()
	files := func(secret string) {
		f.o.Values = engine.Found(said("postgresql.internal", false, "postgresql.postgresqlHost", externalHost, "postgresql.secureMode", true,
			"postgresql.auth.username", "circleci", "postgresql.auth.existingSecret", secret))
	}
	files("mine")
	if got, err := Drift(f.s, f.o, time.Hour); err != nil || len(got) != 0 {
		t.Errorf("the release's own: %+v, error %v", got, err)
	}
	files(server.CredentialsName(mover.PostgreSQL))
	got, err := Drift(f.s, f.o, time.Hour)
	if err != nil || len(got) != 1 || got[0].Object != "values.yaml:5" || got[0].Fix != "run circleci-dr values --write --postgresql-secret mine" ||
		!strings.Contains(got[0].What, "would change the application's database settings") {
		t.Errorf("another one: %+v, error %v", got, err)
	}
	f.external("")
	if got, err := Drift(f.s, f.o, time.Hour); err != nil || len(got) != 0 {
		t.Errorf("a password in the values: %+v, error %v", got, err)
	}
}
