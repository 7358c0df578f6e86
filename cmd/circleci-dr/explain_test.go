package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/runbook"
)

// aPlan is the plan file of an ordinary move out.
const aPlan = "../../internal/render/testdata/plan-move.json"

func TestExplainAStepOfAPlan(t *testing.T) {
	code, out, errs := runTool(t, "explain", "--plan", aPlan, "--step", "fence-source/postgresql")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, part := range []string{
		"# Step fence-source/postgresql of plan e033f0263c, by hand: Make the internal database read-only", "It takes about 2 to 10 s",
		"kubectl --context prod --namespace circleci-server get secret postgresql ", "alter system set default_transaction_read_only = on;",
		"# == Is it so already?", "# == Do it", "# == Is it done?", "# == Undo it",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not said:\n%s", part, out)
		}
	}
}

// For a program the same text comes in chapters.
func TestExplainAsJSON(t *testing.T) {
	for _, args := range [][]string{{"--plan", aPlan, "--step", "fence-source/postgresql"}, {"--plan", aPlan, "--break-glass"}} {
		_, text, _ := runTool(t, append([]string{"explain"}, args...)...)
		code, out, errs := runTool(t, append([]string{"explain", "--output", "json"}, args...)...)
		var got runbook.ByHand
		if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || len(got.Chapters) < 4 {
			t.Fatalf("%v: exit %d, %v: %s%s", args, code, err, out, errs)
		}
		if wantStep := args[2] == "--step"; (got.Step == "fence-source/postgresql") != wantStep || (got.Title != "") != wantStep {
			t.Errorf("%v: it is of step %q, %q", args, got.Step, got.Title)
		}
		for _, c := range got.Chapters {
			if !strings.Contains(text, "# == "+c.Title) {
				t.Errorf("%v: the text has no chapter %q", args, c.Title)
			}
			for _, part := range c.Parts {
				if !strings.Contains(text, part.Shell) {
					t.Errorf("%v: the text does not have\n%s", args, part.Shell)
				}
			}
		}
	}
	if code, _, errs := runTool(t, "explain", "--output", "yaml", "--plan", aPlan); code != codeUsage || !strings.Contains(errs, "text or json") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestExplainNamesTheStepsThereAre(t *testing.T) {
	for _, args := range [][]string{{"--step", "fence-source/postgres"}, nil} {
		code, out, errs := runTool(t, append([]string{"explain", "--plan", aPlan}, args...)...)
		if code != codeUsage || out != "" || !strings.Contains(errs, "\n  fence-source/postgresql\n") || strings.Count(errs, "\n  ") != 13 {
			t.Errorf("%v: exit %d, %s%s", args, code, out, errs)
		}
	}
}

// A plan file of an older version names nothing but namespace and release: the
// commands ask for the rest, and find what a cluster can tell.
func TestExplainAPlanOfAnOlderVersion(t *testing.T) {
	data, err := os.ReadFile(aPlan)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "names")
	if data, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runTool(t, "explain", "--plan", file, "--step", "fence-source/postgresql")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, part := range []string{`: "${CONTEXT:?the cluster: kubectl config get-contexts lists them}"`, `PG_NAME="$(kubectl --context "$CONTEXT" --namespace circleci-server get statefulset`, `service/"$PG_NAME"`} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not said:\n%s", part, out)
		}
	}
}

const specWithSecrets = `apiVersion: circleci-dr/v1
name: ci
server: {kubeContext: prod, namespace: ci, release: server}
datastores:
  postgresql:
    location: external
    external: {host: pg.example.com, username: circleci, password: {env: PG_PASSWORD}, tls: {mode: verify-full, ca: {file: ca.pem}}}
  mongodb:
    location: external
    external: {hosts: ["mongo.example.com:27017"], username: circleci, password: {file: mongo-password}}
`

// The way back by hand is made of the file alone: no cluster is asked, and what
// the references point at is not looked at.
func TestBreakGlassNeedsNothingButTheFile(t *testing.T) {
	const canary = "canary-5ecret"
	dir := t.TempDir()
	for name, text := range map[string]string{"circleci-dr.yaml": specWithSecrets, "mongo-password": canary, "ca.pem": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PG_PASSWORD", canary)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	code, out, errs := runTool(t, "explain", "--break-glass", "--file", filepath.Join(dir, "circleci-dr.yaml"), "--kube-context", "dr")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if strings.Contains(out+errs, canary) {
		t.Errorf("a password is shown:\n%s", out)
	}
	for _, part := range []string{
		"helm --kube-context dr --namespace ci rollback server", `PG_OUTSIDE_PASSWORD="${PG_PASSWORD:?}"`, `MONGO_OUTSIDE_PASSWORD="$(cat mongo-password)"`,
		"host=pg.example.com port=5432 user=circleci sslmode=verify-full sslrootcert=ca.pem", "mongodb://circleci@mongo.example.com:27017/", "kubectl --context dr --namespace ci delete lease circleci-dr",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not said:\n%s", part, out)
		}
	}
	code, _, errs = runTool(t, "explain", "--step", "x/y", "--file", filepath.Join(dir, "circleci-dr.yaml"))
	if code != codeUnreadable {
		t.Errorf("without a plan and a cluster: exit %d: %s", code, errs)
	}
}

// plan --runbook writes beside the plan, for a services machine as well.
func TestPlanWritesARunbook(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runbook.md")
	code, _, errs := runTool(t, "plan", "--file", "../../examples/services-machine.yaml", "--runbook", file)
	data, err := os.ReadFile(file)
	if code != 0 || err != nil || !strings.HasPrefix(string(data), "# Plan ") || !strings.Contains(string(data), "There is nothing to do.") {
		t.Errorf("exit %d, %v: %s%s", code, err, data, errs)
	}
	if code, _, errs = runTool(t, "plan", "--file", "../../examples/services-machine.yaml", "--runbook", filepath.Join(file, "x")); code != codeFailed || !strings.Contains(errs, "write runbook") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
