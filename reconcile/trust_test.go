package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// entrusting is an observation of a MongoDB outside that shows what its file
// names an authority for.
func entrusting(shown mover.Presented, authority engine.Observed[string], trust server.Trust) Observation {
	o := Observation{At: time.Now()}
	o.Release = engine.Found(server.Release{Name: "server", Namespace: "ci", ChartVersion: "4.10.0", Trust: trust, Mongo: server.ReleaseStore{Internal: true, FullName: "mongodb"}})
	o.Mongo.Authority = authority
	o.Mongo.Inspection = engine.Found(server.Inspection{InspectResult: mover.InspectResult{Target: &mover.InspectedSide{Database: &mover.Database{Presented: []mover.Presented{shown}}}}})
	return o
}

func TestTheSwitchAddsTheAuthorityThatIsMissing(t *testing.T) {
	ours, other := newAuthority(t, "Our own"), newAuthority(t, "Another")
	m := ours.shows(t, "m.example.com:27017", "m.example.com")
	public := m
	public.System = true
	entry := server.TrustEntry(server.CertificatesOf(ours.pem)[0])
	for _, row := range []struct {
		name    string
		shown   mover.Presented
		ca      engine.Observed[string]
		trust   server.Trust
		version string
		adds    []string
		ids     string
	}{
		{"nobody was told", m, engine.Found(ours.pem), server.Trust{}, "4.10.0", []string{entry}, ""},
		{"one of a bundle", m, engine.Found(other.pem + ours.pem), server.Trust{Certificates: []string{inBase64(other.pem)}}, "4.10.0", []string{entry}, ""},
		{"told already, written otherwise", m, engine.Found(ours.pem), server.Trust{Certificates: []string{ours.pem}}, "4.10.0", nil, ""},
		{"taken on sight", m, engine.Found(ours.pem), server.Trust{Imports: []string{"m.example.com:27017"}}, "4.10.0", nil, ""},
		{"the system vouches for it", public, engine.Found(ours.pem), server.Trust{}, "4.10.0", nil, ""},
		{"the file names another", m, engine.Found(other.pem), server.Trust{}, "4.10.0", nil, "certificate-untrusted"},
		{"the file names none", m, engine.NotThere[string](), server.Trust{}, "4.10.0", nil, "certificate-untrusted"},
		{"the file's could not be read", m, engine.CouldNot[string](errors.New("x")), server.Trust{}, "4.10.0", nil, "certificate-untrusted"},
		{"a chart without the value", m, engine.Found(ours.pem), server.Trust{}, "4.0.6", nil, "certificate-untrusted"},
		{"no list there", m, engine.Found(ours.pem), server.Trust{Other: true}, "4.10.0", nil, "certificate-untrusted"},
	} {
		o := entrusting(row.shown, row.ca, row.trust)
		o.Release.Value.ChartVersion = row.version
		parts := partsWanted(privateSpec(), &o)
		if len(parts) != 1 || !slices.Equal(parts[0].Trust, row.adds) {
			t.Errorf("%s: adds %+v", row.name, parts)
			continue
		}
		ids := ""
		for _, f := range checkTrust(privateSpec(), o, parts[0], *o.Mongo.Inspection.Value.Target.Database) {
			ids += f.ID
			if !f.Blocks {
				t.Errorf("%s: %s blocks nothing", row.name, f.ID)
			}
		}
		if ids != row.ids {
			t.Errorf("%s: findings %q, want %q", row.name, ids, row.ids)
		}
		change := switchChange(privateSpec(), o.Release.Value, parts)
		if got, want := trustIn(change), append(slices.Clone(row.trust.Certificates), row.adds...); len(row.adds) > 0 && !slices.Equal(got, want) || len(row.adds) == 0 && got != nil {
			t.Errorf("%s: tls.certificates becomes %q", row.name, got)
		}
		after := o.Release.Value
		after.Trust.Certificates = trustIn(change)
		if len(row.adds) > 0 {
			if again := trustIn(switchChange(privateSpec(), after, parts)); !slices.Equal(again, after.Trust.Certificates) {
				t.Errorf("%s: the same upgrade again sets %q", row.name, again)
			}
			if notTrusted(o.Release.Value, parts[0]) == "" || notTrusted(after, parts[0]) != "" {
				t.Errorf("%s: before %q, after %q", row.name, notTrusted(o.Release.Value, parts[0]), notTrusted(after, parts[0]))
			}
		}
	}
}

// A chart that does nothing with the value leaves the application without the
// authority: then nothing is set right, and it blocks.
func TestAChartThatIgnoresTheAuthorityBlocks(t *testing.T) {
	ours := newAuthority(t, "Our own")
	o := entrusting(ours.shows(t, "m.example.com:27017", "m.example.com"), engine.Found(ours.pem), server.Trust{})
	p := partsWanted(privateSpec(), &o)[0]
	check := func() []engine.Finding {
		return checkTrust(privateSpec(), o, p, *o.Mongo.Inspection.Value.Target.Database)
	}
	o.Preview = engine.Found(server.Preview{Faithful: true, Objects: []server.ObjectPreview{{Kind: "Deployment", Name: "api", Action: "update", Rendered: []server.RenderedChange{{Verdict: server.Verdict{Setting: true}}}}}})
	if got := check(); len(got) != 1 || !got[0].Blocks || !strings.Contains(got[0].Fix, "the chart makes nothing of it") {
		t.Errorf("ignored: %+v", got)
	}
	o.Preview.Value.Objects = append(o.Preview.Value.Objects, server.ObjectPreview{Kind: "ConfigMap", Name: "trust", Action: "create", Trust: true})
	if got := check(); len(got) != 0 {
		t.Errorf("taken: %+v", got)
	}
	if got := foreignChanges(o.Release.Value, o.Preview.Value, []Part{p}); len(got) != 0 {
		t.Errorf("the ConfigMap is foreign: %q", got)
	}
}

func TestThePlanShowsTheAuthorityItAdds(t *testing.T) {
	w := newWorld()
	w.isPrivate()
	_, plan, err := w.plan(privateSpec())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Steps, func(st engine.Step) bool { return st.Action == ActSwitch })
	var changed bool
	for _, c := range plan.Steps[i].Changes {
		changed = changed || c.Field == "datastores.mongodb.external.tls.ca" && c.From == "not in tls.certificates" && strings.HasPrefix(c.To, "CN=The world's own (SHA-256 ")
	}
	if text := strings.Join(plan.Steps[i].Details, "\n"); !changed || !strings.Contains(text, "adds to tls.certificates in the release's values what vouches for m.example.com:27017: CN=The world's own") ||
		!strings.Contains(text, "what is there already (1) stays as it is") || !strings.Contains(text, "changes the database settings and what is trusted of") {
		t.Errorf("changes %+v, details\n%s", plan.Steps[i].Changes, text)
	}
}

// Files that lack what the release has, or gets, would take it away again.
func TestValuesFilesHaveToNameTheAuthority(t *testing.T) {
	ours := newAuthority(t, "Our own")
	entry := server.TrustEntry(server.CertificatesOf(ours.pem)[0])
	s := privateSpec()
	s.Server.Values = []string{"values.yaml"}
	at := func(o Observation, files server.DeclaredValues) Observation {
		o.Values = engine.Found(files)
		return o
	}
	shown := ours.shows(t, "m.example.com:27017", "m.example.com")
	before := entrusting(shown, engine.Found(ours.pem), server.Trust{})
	after := entrusting(shown, engine.Found(ours.pem), server.Trust{Certificates: []string{entry}})
	after.Release.Value.Mongo = server.ReleaseStore{Hosts: []string{"m.example.com:27017"}, Username: "circleci", ExistingSecret: "circleci-dr-mongodb"}
	adopted := after
	adopted.Release.Value.Trust = server.Trust{}
	wrote := server.DeclaredValues{Files: []string{"values.yaml"}, Trust: server.Trust{Certificates: []string{"x", entry}}, TrustAt: server.ValuesFact{Path: server.TrustPath, File: "values.yaml", Line: 3}}
	lacks := wrote
	lacks.Trust.Certificates = []string{"x"}
	for _, row := range []struct {
		name  string
		o     Observation
		lacks bool
	}{
		{"before the move, not written", at(before, lacks), true},
		{"before the move, written", at(before, wrote), false},
		{"after it, not written", at(after, lacks), true},
		{"after it, written", at(after, wrote), false},
		{"a release that has never had it", at(adopted, lacks), false},
	} {
		devs := trustDeviations(s, row.o, mover.MongoDB)
		if (len(devs) > 0) != row.lacks {
			t.Errorf("%s: %+v", row.name, devs)
			continue
		}
		if !row.lacks {
			continue
		}
		if diff := cmp.Diff([]any{"x", entry}, devs[0].Value); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
		if text := describeDeviations(devs); !strings.HasPrefix(text, "tls.certificates (values.yaml:3) lacks CN=Our own") {
			t.Errorf("%s: %s", row.name, text)
		}
		if fix := fixValues(s, row.o, mover.MongoDB, devs); fix != writeValues {
			t.Errorf("%s: fix %q", row.name, fix)
		}
	}
	// Without the cluster nobody knows what is in a Secret.
	secret := *s.Datastores.MongoDB.External
	secret.TLS.CA = &spec.SecretRef{Secret: &spec.SecretKey{Name: "ca", Key: "ca.pem"}}
	s.Datastores.MongoDB.External = &secret
	o := at(after, lacks)
	if fix := fixValues(s, o, mover.MongoDB, trustDeviations(s, o, mover.MongoDB)); !strings.Contains(fix, "helm get values server -n ci") {
		t.Errorf("fix %q", fix)
	}
}
