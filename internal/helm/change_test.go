package helm

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

var toExternal = map[string]any{"postgresql": map[string]any{
	"internal": false, "postgresqlHost": "pg.example.test", "auth": map[string]any{"password": secretValue},
}}

func switchOver(hold bool) server.ReleaseChange {
	return server.ReleaseChange{Set: toExternal, HoldAtZero: hold, Description: "circleci-dr: switch postgresql (move m1)"}
}

func replicasOf(t *testing.T, manifest, ref string) string {
	t.Helper()
	docs, err := parse(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if d.ref() == ref {
			return show(server.ValueAt(d.object, "spec", "replicas"))
		}
	}
	return "none"
}

func refs(t *testing.T, manifest string) []string {
	t.Helper()
	docs, err := parse(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range docs {
		out = append(out, d.ref())
	}
	return out
}

func TestUpgradeKeepsValuesAndSubchartsAndHolds(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, map[string]any{"frontend": map[string]any{"replicas": 5}})
	keepInside := server.ReleaseChange{Set: map[string]any{"postgresql": map[string]any{"secureMode": true}}, HoldAtZero: true, Description: "one"}
	if err := b.Upgrade(context.Background(), keepInside); err != nil {
		t.Fatal(err)
	}
	rel := b.newest(t)
	wantConfig := map[string]any{"frontend": map[string]any{"replicas": 5.0}, "postgresql": map[string]any{"secureMode": true}}
	if diff := cmp.Diff(wantConfig, rel.Config); diff != "" {
		t.Error(diff)
	}
	want := []string{"Secret/postgresql", "ConfigMap/settings", "Service/postgresql", "Deployment/frontend", "Deployment/schedulerer", "StatefulSet/postgresql"}
	if diff := cmp.Diff(want, refs(t, rel.Manifest)); diff != "" {
		t.Error(diff)
	}
	got := []string{replicasOf(t, rel.Manifest, "Deployment/frontend"), replicasOf(t, rel.Manifest, "Deployment/schedulerer"), replicasOf(t, rel.Manifest, "StatefulSet/postgresql")}
	if diff := cmp.Diff([]string{"0", "0", "1"}, got); diff != "" {
		t.Error(diff)
	}
	// The held manifest is ours and must not stand in the way of the next one.
	if err := b.Upgrade(context.Background(), server.ReleaseChange{Description: "two"}); err != nil {
		t.Fatal(err)
	}
	if got := replicasOf(t, b.newest(t).Manifest, "Deployment/frontend"); got != "5" {
		t.Errorf("after the hold the manifest has %s replicas, want 5", got)
	}
	if diff := cmp.Diff([]string{"superseded: Install complete", "superseded: circleci-dr: one", "deployed: circleci-dr: two"}, b.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

// watching records what is stored at the moment a revision is made.
type watching struct {
	driver.Driver
	begun *[]string
}

func (w watching) Create(key string, rel *release.Release) error {
	*w.begun = append(*w.begun, string(rel.Info.Status)+": "+rel.Info.Description)
	return w.Driver.Create(key, rel)
}

func TestUpgradeSignsTheRevisionBeforeAnythingChanges(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, nil)
	var begun []string
	b.store = watching{b.store, &begun}
	if err := b.Upgrade(context.Background(), switchOver(true)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pending-upgrade: circleci-dr: switch postgresql (move m1)"}, begun); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(b.log.String(), secretValue) {
		t.Error("the log holds the password")
	}
}

func TestUpgradeTakesOverItsOwnCutOffRun(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, nil)
	config, err := merge(nil, toExternal)
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, func(r *release.Release) {
		r.Config, r.Info.Status, r.Info.Description = config, release.StatusPendingUpgrade, switchOver(true).Description
	})
	if err := b.Upgrade(context.Background(), switchOver(true)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"superseded: Install complete",
		"failed: circleci-dr: switch postgresql (move m1) (cut off)",
		"deployed: circleci-dr: switch postgresql (move m1)",
	}
	if diff := cmp.Diff(want, b.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

func TestUpgradeLeavesOthersAlone(t *testing.T) {
	for name, change := range map[string]func(*release.Release){
		"somebody's upgrade": func(r *release.Release) {
			r.Info.Status, r.Info.Description = release.StatusPendingUpgrade, "Preparing upgrade"
		},
		"our upgrade to other values": func(r *release.Release) {
			r.Info.Status, r.Info.Description = release.StatusPendingUpgrade, switchOver(true).Description
		},
		"our rollback": func(r *release.Release) {
			r.Info.Status, r.Info.Description = release.StatusPendingRollback, switchOver(true).Description
		},
		"a release that is being uninstalled": func(r *release.Release) { r.Info.Status = release.StatusUninstalling },
	} {
		b := newBench(t, fixture)
		b.install(t, nil)
		b.put(t, change)
		before := b.revisions(t)
		if err := b.Upgrade(context.Background(), switchOver(true)); !errors.Is(err, ErrPending) {
			t.Errorf("%s: got %v, want ErrPending", name, err)
		}
		if diff := cmp.Diff(before, b.revisions(t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestUpgradeRefusesAChartThatIsNotTheDeployedOne(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, nil)
	for ref, want := range map[string]string{
		bare(t): "upgrade helm release server: the chart does not give the release's own manifest: " +
			"subchart postgresql is named in Chart.yaml and missing from the chart; an upgrade would delete Secret/postgresql, Service/postgresql, StatefulSet/postgresql; " +
			"Secret/postgresql (fixture/charts/postgresql/templates/all.yaml) is in the release and not rendered by the chart; an upgrade would delete it; " +
			"Service/postgresql (fixture/charts/postgresql/templates/all.yaml) is in the release and not rendered by the chart; an upgrade would delete it; " +
			"StatefulSet/postgresql (fixture/charts/postgresql/templates/all.yaml) is in the release and not rendered by the chart; an upgrade would delete it",
		other(t, "version: 4.9.0", "version: 4.10.0"): "upgrade helm release server: load chart CHART: it is fixture 4.10.0, the release was made from fixture 4.9.0; give the archive of the deployed version in server.chart",
		"": "upgrade helm release server: helm keeps no subcharts in a release, and fixture 4.9.0 has postgresql: set server.chart (or --chart) to the chart's oci:// reference, archive or directory",
	} {
		b.source.ref = ref
		err := b.Upgrade(context.Background(), switchOver(false))
		if err == nil {
			t.Fatalf("%s: no error", ref)
		}
		got := err.Error()
		if ref != "" {
			got = strings.ReplaceAll(got, ref, "CHART")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	// A release that went outside has forgotten its subchart's name.
	forgetful := newBench(t, "")
	forgetful.install(t, toExternal)
	back := server.ReleaseChange{Set: map[string]any{"postgresql": map[string]any{"internal": true}}}
	err := forgetful.Upgrade(context.Background(), back)
	if !errors.Is(err, errNeedsChart) {
		t.Errorf("got %v, want errNeedsChart", err)
	}
	if err := forgetful.Upgrade(context.Background(), server.ReleaseChange{Set: map[string]any{"global": map[string]any{"domainName": "x"}}}); err != nil {
		t.Errorf("a kept chart that gives the release's own manifest is good: %v", err)
	}
	b.source.ref, b.opts.Version = fixture, "4.8.0"
	want := "upgrade helm release server: the spec says version 4.8.0, deployed is 4.9.0: no step changes the version; set server.version to 4.9.0, or upgrade first"
	if err := b.Upgrade(context.Background(), switchOver(false)); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if diff := cmp.Diff([]string{"deployed: Install complete"}, b.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

func TestUpgradeIsNotBegunUnderACancelledContext(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Upgrade(ctx, switchOver(false)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if diff := cmp.Diff([]string{"deployed: Install complete"}, b.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

func TestRollbackGoesBackWithAndWithoutHold(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, map[string]any{"frontend": map[string]any{"replicas": 5}})
	if err := b.Upgrade(context.Background(), switchOver(true)); err != nil {
		t.Fatal(err)
	}
	b.source.ref = "no chart is needed on the way back"
	for _, step := range []struct {
		hold bool
		want string
		last string
	}{
		{true, "0", "deployed: circleci-dr: back to revision 1"},
		{true, "0", "deployed: circleci-dr: back to revision 1"}, // already there: no new revision
		{false, "5", "deployed: circleci-dr: back to revision 1"},
	} {
		if err := b.Rollback(context.Background(), 1, step.hold); err != nil {
			t.Fatal(err)
		}
		if got := replicasOf(t, b.newest(t).Manifest, "Deployment/frontend"); got != step.want {
			t.Errorf("hold %v: %s replicas, want %s", step.hold, got, step.want)
		}
	}
	want := []string{
		"superseded: Install complete",
		"superseded: circleci-dr: switch postgresql (move m1)",
		"superseded: circleci-dr: back to revision 1",
		"deployed: circleci-dr: back to revision 1",
	}
	if diff := cmp.Diff(want, b.revisions(t)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"frontend": map[string]any{"replicas": 5}}, b.newest(t).Config); diff != "" {
		t.Error(diff)
	}
	// And the chart still proves itself against the revision that came back.
	b.source.ref = fixture
	if err := b.Upgrade(context.Background(), switchOver(true)); err != nil {
		t.Error(err)
	}
}

func TestRollbackTakesOverAnyRunOfOursAndNobodyElses(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, nil)
	b.put(t, func(r *release.Release) {
		r.Info.Status, r.Info.Description = release.StatusPendingUpgrade, "circleci-dr: something else"
	})
	if err := b.Rollback(context.Background(), 1, false); err != nil {
		t.Fatal(err)
	}
	b.put(t, func(r *release.Release) {
		r.Info.Status, r.Info.Description = release.StatusPendingUpgrade, "Preparing upgrade"
	})
	if err := b.Rollback(context.Background(), 1, false); !errors.Is(err, ErrPending) {
		t.Errorf("got %v, want ErrPending", err)
	}
	want := []string{
		"superseded: Install complete",
		"failed: circleci-dr: something else (cut off)",
		"deployed: circleci-dr: back to revision 1",
		"pending-upgrade: Preparing upgrade",
	}
	if diff := cmp.Diff(want, b.revisions(t)); diff != "" {
		t.Error(diff)
	}
	if err := b.Rollback(context.Background(), 9, false); err == nil || err.Error() != "roll back helm release server: revision 9 is not in its history (helm keeps 10)" {
		t.Errorf("got %v", err)
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	b := newBench(t, other(t, "apiVersion: v1\nkind: ConfigMap", `{{ fail .Values.postgresql.auth.password }}`))
	b.install(t, toExternal)
	got := b.Preview(context.Background(), switchOver(false))
	if !got.Is() || got.Value.Faithful || len(got.Value.Unfaithful) != 1 {
		t.Fatalf("got %+v, want an unfaithful preview", got)
	}
	if line := got.Value.Unfaithful[0]; strings.Contains(line, secretValue) || !strings.Contains(line, redacted) {
		t.Errorf("the line is %q", line)
	}
	err := b.Upgrade(context.Background(), switchOver(false))
	if !errors.Is(err, ErrUnfaithful) || strings.Contains(err.Error(), secretValue) {
		t.Errorf("got %v", err)
	}
}
