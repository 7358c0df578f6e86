package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// A move is not over for whoever keeps values files: the report names the
// command, where it is one.
func TestNextAfterAMove(t *testing.T) {
	const head = "apiVersion: circleci-dr/v1\nname: ci\nserver: {kubeContext: prod, namespace: ci, release: server, version: 4.10.0%s}\n" +
		"datastores:\n  postgresql: {location: external, external: {host: pg.example.com, username: u, password: {env: PG}}}\n"
	moved := engine.Report{Steps: []engine.StepReport{{Step: "switch-release/server"}}}
	for _, row := range []struct {
		name, declared, values string
		rep                    engine.Report
		want, why              string
	}{
		{"no file declared", "", "", moved, "circleci-dr values --file spec.yaml", "have to say from now on. With the old ones"},
		{"a file that lags behind", ", values: [v.yaml]", "postgresql: {internal: true}\n", moved, "circleci-dr values --file spec.yaml --write", "into line"},
		{"a file that agrees", ", values: [v.yaml]", "postgresql:\n  internal: false\n  postgresqlHost: pg.example.com\n  postgresqlPort: 5432\n  secureMode: true\n" +
			"  auth: {username: u, existingSecret: circleci-dr-postgresql}\n", moved, "", ""},
		{"a file that is not there", ", values: [none.yaml]", "", moved, "circleci-dr values --file spec.yaml", "could not be read"},
		{"nothing was switched", "", "", engine.Report{Steps: []engine.StepReport{{Step: "protect-internal/postgresql"}}}, "", ""},
	} {
		t.Chdir(t.TempDir())
		for name, text := range map[string]string{"spec.yaml": strings.Replace(head, "%s", row.declared, 1), "v.yaml": row.values} {
			if err := os.WriteFile(filepath.Clean(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := spec.Load("spec.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		p := &program{out: &out, err: &out, env: os.LookupEnv}
		got := p.nextAfter(s, row.rep, common{file: "spec.yaml", output: "text"})
		if got.Command != row.want || !strings.Contains(got.Why, row.why) || out.Len() > 0 {
			t.Errorf("%s: %+v, printed %q", row.name, got, out.String())
		}
	}
}

// Several things that could not be read have a line each.
func TestSeveralUnreadThingsHaveALineEach(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{&reconcile.UnreadableError{What: []string{"release: a", "move record: b"}}, "circleci-dr: error: live state could not be read:\n  release: a\n  move record: b\n"},
		{&reconcile.UnreadableError{What: []string{"release: a"}}, "circleci-dr: error: live state could not be read: release: a\n"},
	} {
		var out bytes.Buffer
		(&program{err: &out}).say(row.err)
		if !strings.HasPrefix(out.String(), row.want) {
			t.Errorf("%q, want %q", out.String(), row.want)
		}
	}
}
