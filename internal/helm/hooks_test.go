package helm

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// hookJob is a Job that is a hook.
func hookJob(name, events, command, env string) string {
	return `---
apiVersion: batch/v1
kind: Job
metadata:
  name: ` + name + `
  annotations: {helm.sh/hook: "` + events + `", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: x
        image: x
        command: [bash, -c, "` + command + `"]
        env: [{name: API, value: "` + env + `"}]
`
}

// A hook that speaks to the application is told from one that has a word in
// common with it.
func TestHooksOfAMoveAreListed(t *testing.T) {
	b := installed(t, edited(t, edit{more, "", hookJob("tcp", "post-upgrade", "until (exec 3<>/dev/tcp/frontend/8000) 2>/dev/null; do sleep 2; done", "") +
		hookJob("url", "pre-upgrade,post-rollback", "curl -f http://frontend.ci.svc:8000/health", "") +
		hookJob("kubectl", "post-upgrade", "kubectl rollout status deployment/api-service", "") +
		hookJob("word", "post-upgrade", "echo frontend is the best; ls /srv/frontend", "") +
		hookJob("other", "post-upgrade", "curl http://frontend-proxy:80 http://minio:9000", "") +
		hookJob("shared", "post-upgrade", "migrate", "http://frontend:80") +
		hookJob("back", "post-rollback", "echo", "") +
		hookJob("install", "post-install,test", "curl http://frontend", "")}))
	target, err := b.prepare(t.Context(), outwards(t, mover.PostgreSQL))
	if err != nil {
		t.Fatal(err)
	}
	size, hooks, err := target.stored(outwards(t, mover.PostgreSQL))
	if err != nil || size.Bytes > size.Limit || size.Large != nil {
		t.Fatalf("%+v, %v", size, err)
	}
	got := map[string]string{}
	for _, h := range hooks {
		if h.Kind == "Job" {
			got[h.Name] = strings.Join(h.Events, ",") + " " + strings.Join(h.Calls, ",")
		}
	}
	want := map[string]string{
		"tcp": "post-upgrade Service/frontend", "url": "pre-upgrade,post-rollback Service/frontend", "kubectl": "post-upgrade Deployment/api-service",
		"word": "post-upgrade ", "other": "post-upgrade ", "shared": "post-upgrade ", "back": "post-rollback ",
		"pre-upgrade-checks": "pre-upgrade ", // the chart's own
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is measured is what Helm stores.
func TestTheRecordIsMeasuredAsHelmStoresIt(t *testing.T) {
	dir := edited(t)
	b := installed(t, dir)
	large := make([]byte, 1_500_000)
	if _, err := rand.Read(large); err != nil {
		t.Fatal(err)
	}
	measure := func() server.RecordSize {
		t.Helper()
		target, err := b.prepare(t.Context(), outwards(t, mover.PostgreSQL))
		if err != nil || len(target.unfaithful) > 0 {
			t.Fatal(err, target.unfaithful)
		}
		size, _, err := target.stored(outwards(t, mover.PostgreSQL))
		if err != nil {
			t.Fatal(err)
		}
		return size
	}
	said := measure()
	if err := b.Upgrade(t.Context(), outwards(t, mover.PostgreSQL)); err != nil {
		t.Fatal(err)
	}
	is, err := encodedSize(b.newest(t))
	if err != nil || said.Bytes < is-is/50 || said.Bytes > is+is/50 {
		t.Errorf("%d bytes were said and %d stored (%v)", said.Bytes, is, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "files-old-backup.b64"), []byte(base64.StdEncoding.EncodeToString(large)), 0o600); err != nil {
		t.Fatal(err)
	}
	if said = measure(); said.Bytes <= said.Limit || !strings.HasPrefix(said.Large[0], "files-old-backup.b64 1.9 MiB") {
		t.Errorf("with a large file: %+v", said)
	}
}

// A hook that runs out of time is named.
func TestAHookThatDoesNotEndIsNamed(t *testing.T) {
	b := installed(t, edited(t)) // with a hook of the chart
	config := b.config
	b.config = func(t *talk) (*action.Configuration, error) {
		cfg, err := config(t)
		cfg.KubeClient = &kubefake.FailingKubeClient{PrintingKubeClient: kubefake.PrintingKubeClient{Out: io.Discard, LogOutput: io.Discard},
			WatchUntilReadyError: errors.New("timed out waiting for the condition")}
		return cfg, err
	}
	err := b.Upgrade(t.Context(), outwards(t, mover.PostgreSQL))
	if err == nil || !strings.Contains(err.Error(), "hook Job/pre-upgrade-checks did not succeed") {
		t.Errorf("got %v", err)
	}
}

func TestTheEndOfAHooksLog(t *testing.T) {
	k := fake.NewClientset(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "after-x", Namespace: "ci", Labels: map[string]string{"job-name": "after"}}})
	k.PrependReactor("get", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "log" {
			return false, nil, nil
		}
		return true, &runtime.Unknown{Raw: []byte("waiting for frontend:8080\n")}, nil
	})
	for name, want := range map[string]string{"after": "waiting for frontend:8080", "none": ""} {
		if got := logEnd(t.Context(), k, "ci", release.Hook{Kind: "Job", Name: name}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// A CronJob of the application rests in the manifest that holds it at zero.
func TestHoldSuspendsCronJobs(t *testing.T) {
	cron := func(name, labels, podLabels string) string {
		return "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: " + name + ", labels: {" + labels + "}}\nspec:\n  schedule: \"* * * * *\"\n  jobTemplate:\n    spec:\n      template:\n        metadata: {labels: {" + podLabels + "}}\n"
	}
	held, err := hold(cron("one", "layer: application", "") + cron("two", "", "layer: application") + cron("three", "layer: data", ""))
	if err != nil {
		t.Fatal(err)
	}
	docs, err := parse(held)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, d := range docs {
		got[d.name()] = server.ValueAt(d.object, "spec", "suspend")
	}
	if diff := cmp.Diff(map[string]any{"one": true, "two": true, "three": nil}, got); diff != "" {
		t.Error(diff)
	}
}
