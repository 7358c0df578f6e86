package reconcile

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// notes keeps what is said.
type notes struct {
	quiet
	said []string
}

func (n *notes) Note(text string) { n.said = append(n.said, text) }

func TestWritersThatGoOnAreNamedInThePlan(t *testing.T) {
	w := newWorld()
	w.writers = []server.Writer{{Kind: "DaemonSet", Name: "agent", Pods: 3}, {Kind: server.KindJob, Name: "import", Pods: 1}, {Kind: "Rollout", Name: "canary", Pods: 2}}
	_, plan, err := w.plan(externalSpec())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range plan.Findings {
		found[f.ID] = f.What
		if f.Blocks && (f.ID == "writer-not-stopped" || f.ID == "job-runs") {
			t.Errorf("%s blocks", f.ID)
		}
	}
	if got := found["writer-not-stopped"]; !strings.Contains(got, "DaemonSet/agent (3 pods), Rollout/canary (2 pods);") {
		t.Errorf("writer-not-stopped says %q", got)
	}
	if got := found["job-runs"]; !strings.Contains(got, "Job/import (1 pod);") {
		t.Errorf("job-runs says %q", got)
	}
	i := slices.IndexFunc(plan.Steps, func(st engine.Step) bool { return st.Action == ActQuiesce })
	if got := strings.Join(plan.Steps[i].Details, "; "); !strings.Contains(got, "5 workloads with layer=application, 10 pods") || !strings.Contains(got, "CronJobs suspended until the end: report") {
		t.Errorf("the plan says %q", got)
	}
}

// A Job that does not end is named and holds nobody up; the CronJob comes back.
func TestAJobThatDoesNotEndIsNamed(t *testing.T) {
	w := newWorld()
	w.writers = []server.Writer{{Kind: server.KindJob, Name: "import", Pods: 1}}
	o, plan, err := w.plan(externalSpec())
	if err != nil {
		t.Fatal(err)
	}
	ev := &notes{}
	began := w.clock
	w.at = func(point string) {
		if point == "fence-source:before-effect" && w.apps["CronJob/report"].starts() {
			t.Error("the CronJob is not suspended under the fence")
		}
	}
	if _, err := Apply(context.Background(), externalSpec(), o, plan, w.providers(), engine.Options{By: "test"}, ev); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(ev.said, func(n string) bool { return strings.HasPrefix(n, "still running after 3m0s: Job/import (1 pod)") }) {
		t.Errorf("said %q", ev.said)
	}
	if took := w.clock.Sub(began); took < jobsTime || took > jobsTime+10*time.Minute {
		t.Errorf("took %s", took)
	}
	if got := w.apps["CronJob/report"].replicas; got != 1 {
		t.Errorf("the CronJob has %d", got)
	}
}

// starts tells whether a CronJob would start pods.
func (a *app) starts() bool { return a.replicas != 0 }

// One that somebody suspended stays so, and nobody is told to start it.
func TestACronJobThatWasSuspendedStaysSo(t *testing.T) {
	w := newWorld()
	w.apps["CronJob/report"].replicas = 0
	w.rest()
	a := w.process(context.Background(), externalSpec())
	if a.err != nil {
		t.Fatal(a.err)
	}
	for _, f := range a.plan.Findings {
		if strings.Contains(f.What, "CronJob/report") {
			t.Errorf("%s says %s", f.ID, f.What)
		}
	}
	if got := w.apps["CronJob/report"].replicas; got != 0 {
		t.Errorf("it was started")
	}
}
