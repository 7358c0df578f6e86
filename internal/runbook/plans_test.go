package runbook

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// names are those of an installation with two datastores that move. evil goes
// into every one of them.
func names(to spec.Location, evil string) *reconcile.Names {
	return &reconcile.Names{
		KubeContext: "prod" + evil, Namespace: "ci" + evil, Release: "server" + evil, Chart: "./chart" + evil, ChartVersion: "4.10.0" + evil, Revision: 7,
		Workloads: map[string]int{"Deployment/api-service" + evil: 2, "StatefulSet/schedulerer" + evil: 1, "CronJob/nightly" + evil: 1},
		Values:    "postgresql:\n  internal: false\n  host: \"" + evil + "\"\nEND\n",
		Stores: []reconcile.StoreNames{
			{Engine: mover.PostgreSQL, To: to, Epoch: 2, Inside: "postgresql" + evil, InsideSecret: &spec.SecretKey{Name: "pg" + evil, Key: "postgres-password" + evil},
				Volumes: []reconcile.VolumeName{{Claim: "data-postgresql-0" + evil, Name: "pvc-1" + evil, ReclaimPolicy: "Delete" + evil}},
				Outside: &reconcile.OutsideNames{Host: "pg.example.com" + evil, Port: 5432, Username: "circleci" + evil, TLSMode: "verify-full" + evil,
					Password: spec.SecretRef{Secret: &spec.SecretKey{Name: "pg-external" + evil, Key: "password" + evil}}, CA: spec.SecretRef{File: "rds-ca.pem" + evil}},
				Credentials: "circleci-dr-postgresql" + evil, Keys: []string{"password" + evil, "postgres-password"}, Databases: []string{"main" + evil, "vms" + evil},
				Owners: map[string]string{"postgres" + evil: "circleci" + evil}},
			{Engine: mover.MongoDB, To: to, Epoch: 2, Inside: "mongodb" + evil, InsideSecret: &spec.SecretKey{Name: "mongo" + evil, Key: "mongodb-root-password"},
				Outside: &reconcile.OutsideNames{Hosts: []string{"mongo.example.com:27017" + evil}, Username: "circleci" + evil, ReplicaSet: "rs0" + evil,
					Password: spec.SecretRef{Env: "MONGO_EXTERNAL" + evil}, CA: spec.SecretRef{Secret: &spec.SecretKey{Name: "ca" + evil, Key: "ca.crt" + evil}}}},
		},
	}
}

// everyKind is a plan with a step of every kind about each datastore, as no real
// one has it.
func everyKind(n *reconcile.Names, evil string) engine.Plan {
	p := engine.Plan{
		ID: "e033f0263c", Name: "ci" + evil, MadeAt: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC), Names: n.InPlan(), Moves: []string{"PostgreSQL internal → pg" + evil},
		Binding: engine.Binding{Release: "ci/server" + evil, Revision: 7, Chart: "circleci-server-4.10.0"},
		Total:   engine.Estimate{Low: time.Minute, High: 2 * time.Minute, DownHigh: time.Minute},
	}
	for _, kind := range reconcile.ActionKinds() {
		for _, e := range []mover.Engine{mover.PostgreSQL, mover.MongoDB} {
			p.Steps = append(p.Steps, engine.Step{
				ID: engine.StepID(string(kind) + "/" + string(e) + evil), Action: kind, Title: "Do " + string(kind) + evil, Reason: "it is missing" + evil, Risk: engine.Destructive,
				Accept: "a-word" + evil, Args: map[string]string{"engine": string(e)}, Changes: []engine.Change{{Field: "database main" + evil + " on pg", From: "open", To: "closed" + evil}},
			})
		}
	}
	return p
}

// plans are plans of every kind, with and without names, in both directions.
func plans(evil string) map[string]engine.Plan {
	out := map[string]engine.Plan{
		"out": everyKind(names(spec.External, evil), evil), "in": everyKind(names(spec.Internal, evil), evil),
		"of an older version": everyKind(nil, evil),
		"of the file alone":   everyKind(&reconcile.Names{Namespace: "ci", Release: "server"}, evil),
	}
	return out
}

// texts are all that is written about a plan, by what it is.
func texts(t *testing.T, name string, p engine.Plan) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, st := range p.Steps {
		var b strings.Builder
		if err := WriteStep(&b, p, st); err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprintf("a plan %s, %s", name, reconcile.OneLine(string(st.ID)))] = b.String()
	}
	var n reconcile.Names
	if has := reconcile.NamesIn(p); has != nil {
		n = *has
	}
	var b strings.Builder
	if err := WriteBreakGlass(&b, n); err != nil {
		t.Fatal(err)
	}
	out["break glass, a plan "+name] = b.String()
	return out
}

// shell runs a script in bash, in a directory, with these variables before it.
func shell(t *testing.T, dir, script string, vars ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", file)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), vars...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
