package helm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// However a pod reads a key, it is known, and of which Secret.
func TestTheKeysThatWorkloadsReadAreKnown(t *testing.T) {
	const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      initContainers:
      - {name: wait, env: [{name: A, valueFrom: {secretKeyRef: {name: pg, key: password}}}]}
      containers:
      - name: api
        env:
        - {name: PLAIN, value: pg}
        - {name: B, valueFrom: {secretKeyRef: {name: pg, key: uri, optional: true}}}
        - {name: C, valueFrom: {secretKeyRef: {name: other, key: password}}}
      volumes:
      - {name: one, secret: {secretName: pg, items: [{key: ca.pem, path: ca.pem}]}}
      - {name: two, projected: {sources: [{secret: {name: pg, items: [{key: file-password, path: p}]}}, {configMap: {name: pg}}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - {name: report, envFrom: [{secretRef: {name: pg}}], env: [{name: B, valueFrom: {secretKeyRef: {name: pg, key: uri}}}]}
---
apiVersion: v1
kind: Secret
metadata: {name: pg}
`
	got, err := secretReads(manifest, []string{"pg"})
	if err != nil {
		t.Fatal(err)
	}
	api, report := []string{"Deployment/api"}, []string{"CronJob/report"}
	want := []server.SecretRead{
		{Secret: "pg", By: report},
		{Secret: "pg", Key: "ca.pem", By: api},
		{Secret: "pg", Key: "file-password", By: api},
		{Secret: "pg", Key: "password", By: api},
		{Secret: "pg", Key: "uri", By: []string{"Deployment/api", "CronJob/report"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The fixture's application reads just what the values table says.
func TestTheUpgradedApplicationReadsOurSecrets(t *testing.T) {
	b := installed(t, serverChart)
	change := outwards(t, mover.PostgreSQL, mover.MongoDB)
	target, err := b.prepare(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := newManifest(target, target.values, true, target.fresh)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := target.secretsOf(change.Set)
	if err != nil {
		t.Fatal(err)
	}
	got, err := secretReads(manifest, secrets)
	if err != nil || len(got) != 2 || got[0].Secret != "circleci-dr-mongodb" || got[0].Key != "mongodb-root-password" ||
		got[1].Secret != "circleci-dr-postgresql" || got[1].Key != "password" || len(got[0].By) < 10 {
		t.Errorf("got %+v, %v", got, err)
	}
}
