package server

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// The Secret is the one that has the password, under the key that has it.
func TestTheReferenceToAPassword(t *testing.T) {
	secret := func(name string, keys ...string) map[string]engine.Observed[SecretInfo] {
		return map[string]engine.Observed[SecretInfo]{name: engine.Found(SecretInfo{Name: name, Keys: keys})}
	}
	for _, row := range []struct {
		name    string
		e       mover.Engine
		live    ReleaseStore
		plain   string // the value that holds a password
		secrets map[string]engine.Observed[SecretInfo]
		want    string
		says    []string
	}{
		{"the values table's key", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "password"), "key password of Secret mine", nil},
		{"the manual's key", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "postgres-password"), "key postgres-password of Secret mine", nil},
		{"both", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "postgres-password", "password"), "key password of Secret mine", []string{"postgres-password as well"}},
		{"MongoDB logs in with the root key", mover.MongoDB, ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "mongodb-password", "mongodb-root-password"), "key mongodb-root-password of Secret mine", []string{"mongodb-password as well"}},
		{"another key only", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", secret("mine", "pw"), "key password of Secret mine", []string{"decide: the release reads Secret mine, which has no key password or postgres-password (its keys: pw). Name the key"}},
		{"no key at all", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", secret("mine"), "key password of Secret mine", []string{"(its keys: none)"}},
		{"not there", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", map[string]engine.Observed[SecretInfo]{"mine": engine.NotThere[SecretInfo]()}, "key password of Secret mine", []string{"create secret generic mine --from-file=password=FILE"}},
		{"not to be read", mover.PostgreSQL, ReleaseStore{ExistingSecret: "mine"}, "", map[string]engine.Observed[SecretInfo]{"mine": engine.CouldNot[SecretInfo](errors.New("forbidden"))}, "key password of Secret mine", []string{"decide: whether Secret mine has the key could not be read: forbidden"}},
		{"in the values, and the chart's Secret", mover.PostgreSQL, ReleaseStore{FullName: "db"}, "postgresql.auth.password", secret("db", "password"), "key password of Secret db", []string{"in plain text"}},
		{"in the values, and the chart's Secret under the usual name", mover.PostgreSQL, ReleaseStore{FullName: "db"}, "postgresql.auth.password", secret("postgresql", "password"), "key password of Secret postgresql", []string{"in plain text"}},
		{"in the values, and no Secret", mover.MongoDB, ReleaseStore{FullName: "mongodb"}, "mongodb.auth.rootPassword", nil, "key mongodb-root-password of Secret mongodb", []string{"in plain text", "could not be read: it was not looked at"}},
		{"the superuser's in the values is not this one", mover.PostgreSQL, ReleaseStore{FullName: "postgresql"}, "postgresql.auth.postgresPassword", map[string]engine.Observed[SecretInfo]{"postgresql": engine.NotThere[SecretInfo]()},
			"key password of Secret pg-external", []string{"names neither a Secret nor a password"}},
		{"ours", mover.PostgreSQL, ReleaseStore{ExistingSecret: CredentialsName(mover.PostgreSQL)}, "", secret(CredentialsName(mover.PostgreSQL), "password"), "key password of Secret circleci-dr-postgresql", []string{"decide: circleci-dr made this Secret"}},
	} {
		in := Installation{Context: "a context", Secrets: row.secrets}
		in.Release.Namespace, in.Release.Postgres, in.Release.Mongo = "ci", row.live, row.live
		if row.plain != "" {
			in.Values.Facts = []ValuesFact{{Path: row.plain}}
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
