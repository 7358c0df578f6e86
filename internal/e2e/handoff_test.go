//go:build testbed && faults

package e2e

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// gitops stands in for the tool that reconciles the release and for the person
// who commits: resumed too early it starts the application on the old values
// every few seconds, and then applies what apply has printed.
type gitops struct {
	s     *site
	mu    sync.Mutex
	heard bytes.Buffer
	syncs int
}

// Write hears what apply prints.
func (g *gitops) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heard.Write(p)
}

// values are the printed ones, nil until they are complete.
func (g *gitops) values() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, after, told := strings.Cut(g.heard.String(), "commit these values")
	if !told {
		return nil
	}
	var out []byte
	for _, line := range strings.Split(after, "\n")[1:] {
		text, indented := strings.CutPrefix(line, "               ") // below the text of the line before
		if !indented {
			return nil
		}
		out = append(out, text+"\n"...)
		if strings.Contains(text, "secureMode") { // the last one; progress follows
			return out
		}
	}
	return nil
}

// reconcile does the tool's work until ctx ends.
func (g *gitops) reconcile(ctx context.Context) error {
	const oldSyncs = 3
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(3 * time.Second):
		}
		values := g.values()
		switch {
		case values == nil: // suspended
		case g.syncs < oldSyncs:
			g.syncs++
			if _, err := g.s.kube.AppsV1().Deployments(g.s.ns).Patch(ctx, "api-service", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), metav1.PatchOptions{}); err != nil {
				return err
			}
		default:
			return g.s.upgrade(ctx, values)
		}
	}
}

// upgrade is the helm upgrade that the tool makes of the committed values.
func (s *site) upgrade(ctx context.Context, values []byte) error {
	settings, config := cli.New(), new(action.Configuration)
	settings.KubeConfig = env(s.t, "KUBECONFIG")
	settings.SetNamespace(s.ns)
	if err := config.Init(settings.RESTClientGetter(), s.ns, "secret", func(string, ...any) {}); err != nil {
		return err
	}
	chart, err := loader.Load(s.chart)
	if err != nil {
		return err
	}
	set := map[string]any{}
	if err := yaml.Unmarshal(values, &set); err != nil {
		return err
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.ResetThenReuseValues = s.ns, true
	_, err = upgrade.RunWithContext(ctx, "circleci-server", chart, set)
	return err
}

// TestHandOff: the release is Argo CD's, so the tool copies and proves, says
// what to commit, and holds the application at zero until that is applied.
func TestHandOff(t *testing.T) {
	s := newSite(t, "e2e-handoff", "10MB")
	s.label("argocd.argoproj.io/instance", "circleci")
	s.write("circleci-dr.yaml", strings.Replace(s.specOf("external"), "release: circleci-server", "release: circleci-server\n  managedBy: argocd", 1))
	before := s.replicas()
	o := s.want(0, "plan", "--out", "plan.json")
	s.contains("the plan", o.out, "Hand the switch off to Argo CD", "could not be checked", "reconciliation-suspended")

	tool := &gitops{s: s}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- tool.reconcile(ctx) }()
	var out bytes.Buffer
	cmd := s.command(ctx, nil, "apply", "--plan", "plan.json", "--accept", "outage,no-way-back,reconciliation-suspended,remove-internal-database")
	cmd.Stdout, cmd.Stderr = &out, tool
	err := cmd.Run()
	t.Logf("apply:\n%s%s", tool.heard.String(), out.String())
	s.noSecrets("the output of apply", out.String()+tool.heard.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("the stand-in for Argo CD: %v", err)
	}
	s.contains("apply", tool.heard.String(), "Deployment/api-service was scaled up to 2 and is put back to 0")
	s.settled(before)
	if _, err := s.kube.AppsV1().StatefulSets(s.ns).Get(t.Context(), "postgresql", metav1.GetOptions{}); err == nil {
		t.Error("the internal StatefulSet is still there")
	}
}
