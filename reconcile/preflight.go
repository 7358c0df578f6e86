package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// sourceDocs and sourceBack are where our own rules are explained.
const (
	sourceDocs  = "docs/moving-postgresql.md"
	sourceBack  = "docs/moving-back.md"
	sourceImage = "docs/image.md"
	sourceForks = "docs/forks.md"
	// sourceRehearsal is about what is tried with the application up.
	sourceRehearsal = "docs/rehearsal.md"
)

// preflight checks everything that can fail before anything is changed, and
// reports all of it at once.
func preflight(s *spec.Spec, o Observation, parts []Part) []engine.Finding {
	var out []engine.Finding
	out = append(out, preflightRelease(s, o)...)
	out = append(out, preflightAccess(s, o)...)
	out = append(out, preflightSupport(o)...)
	if handsOff(s, o) == "" { // what a tool renders is between it and its chart
		out = append(out, preflightChart(o.Release.Value, o.Preview, parts)...)
	}
	out = append(out, preflightAddresses(s, o, parts)...)
	for _, p := range parts {
		if p.To == spec.Internal {
			out = append(out, preflightBack(o, p)...)
		} else {
			out = append(out, checkSourceSecret(o, p.Engine)...)
			out = append(out, checkCredentials(o, p.Engine)...)
		}
		out = append(out, checkKeys(o, p)...)
		out = append(out, checkRoad(o, p)...)
		out = append(out, kindOf(p.Engine).check(s, o, p)...)
		out = append(out, checkAdapted(o, p.Engine)...)
		out = append(out, preflightValues(s, o, p.Engine)...)
		out = append(out, rehearsalFindings(s, o, p)...)
		out = append(out, dressFindings(s, o, p)...)
	}
	return out
}

func block(id, field, source, fix, what string, args ...any) engine.Finding {
	f := engine.Finding{ID: id, Blocks: true, Field: field, Source: source, Fix: fix}
	f.What, f.Brief = sentences(what, args...)
	return f
}

func preflightRelease(s *spec.Spec, o Observation) []engine.Finding {
	var out []engine.Finding
	rel := o.Release.Value
	out = append(out, preflightManager(s, o)...)
	if o.RunnerIsPatient != "" {
		out = append(out, block("runner-is-patient", "", sourceDocs,
			"run apply --in-cluster: then the work goes on in the cluster when this job is stopped with the rest",
			"this process is a job of the CircleCI it would stop (%s)", o.RunnerIsPatient))
	}
	if rel.Pending() && !openMove(o) {
		out = append(out, block("release-pending", "server.release", sourceDocs,
			"wait for it, or if it died: helm rollback "+rel.Name+" -n "+rel.Namespace,
			"another Helm operation holds release %s (status %s)", rel.Name, rel.Status))
	}
	out = append(out, checkVersion(s, rel)...)
	if len(o.Workloads.Value) == 0 { // an unknown list is refused before
		out = append(out, block("no-application", "server.namespace", "CircleCI Server operator guide, backup and restore",
			"check server.namespace and server.release",
			"there is no Deployment or StatefulSet with layer=application in %s", rel.Namespace))
	}
	if !openMove(o) {
		out = append(out, brokenWorkloads(o)...)
		out = append(out, stoppedWorkloads(o)...)
		out = append(out, otherWriters(o)...)
	}
	return out
}

// checkVersion refuses a file that names another version than the deployed one,
// also where nothing is to be moved: no step would ever bring them together.
func checkVersion(s *spec.Spec, rel server.Release) []engine.Finding {
	want := s.Server.Version
	if want == "" || rel.ChartVersion == want {
		return nil
	}
	return []engine.Finding{block("version", "server.version", sourceDocs,
		"set server.version to "+rel.ChartVersion+", or upgrade the release first",
		"the deployed chart version is %s, the spec says %s", rel.ChartVersion, want)}
}

// stoppedWorkloads reports workloads at zero that no move of ours stopped:
// whoever did may not expect the move to leave them there.
func stoppedWorkloads(o Observation) []engine.Finding {
	var zero []string
	scaled := 0
	for _, w := range o.Workloads.Value {
		if w.Kind == server.KindCronJob { // which somebody suspended on purpose
			continue
		}
		scaled++
		if w.Replicas == 0 && w.Recorded == nil {
			zero = append(zero, w.Key())
		}
	}
	if len(zero) == 0 {
		return nil
	}
	what, brief := sentences("%d of %d workloads are at zero already and stay there: %s", len(zero), scaled, some(zero, 8))
	return []engine.Finding{{ID: "workload-at-zero", Source: sourceDocs, What: what, Brief: brief, Fix: "scale them up first if they should run after the move"}}
}

// brokenWorkloads reports workloads that are not ready before we begin: what
// was broken before the move would look broken by it.
func brokenWorkloads(o Observation) []engine.Finding {
	var out []engine.Finding
	for _, w := range o.Workloads.Value {
		if w.Ready < w.Replicas {
			why := w.Trouble
			if why == "" {
				why = "no reason given"
			}
			out = append(out, engine.Finding{ID: "workload-not-ready", Source: sourceDocs, What: fmt.Sprintf("%s has %d of %d replicas ready (%s)", w.Key(), w.Ready, w.Replicas, why),
				Fix: "repair it first; apply waits for it to become ready again at the end"})
		}
	}
	return out
}

// preflightChart refuses an upgrade that would do anything but switch the
// datastore.
func preflightChart(rel server.Release, pv engine.Observed[server.Preview], parts []Part) []engine.Finding {
	if !pv.Is() {
		return []engine.Finding{block("chart-unread", "server.chart", "helm/helm#8421: a release keeps no subcharts",
			"set server.chart (or --chart) to the release's chart: an oci:// reference, a directory or a .tgz",
			"the release's chart could not be read: %s", cmp.Or(pv.Why, "it was not looked at"))}
	}
	var out []engine.Finding
	if !pv.Value.Faithful {
		out = append(out, block("chart-differs", "server.chart", sourceDocs,
			fmt.Sprintf("fetch the chart that was installed: %s %s, with its subcharts", rel.Chart, rel.ChartVersion),
			"the chart is not the deployed one: %s", someSentences(pv.Value.Unfaithful, 5)))
		return out
	}
	if foreign := foreignChanges(rel, pv.Value, parts); len(foreign) > 0 {
		out = append(out, block("upgrade-does-more", "server.values", sourceDocs,
			"bring the live objects and the release's values into line first (helm diff), then plan again",
			"the upgrade would change more than the datastore: %s", someSentences(foreign, 8)))
	}
	out = append(out, recordFindings(pv.Value)...)
	out = append(out, hookFindings(pv.Value)...)
	return append(out, renewedFindings(rel, pv.Value, parts)...)
}

// foreignChanges are effects of the upgrade outside the datastore's own
// objects and the application's database settings.
func foreignChanges(rel server.Release, pv server.Preview, parts []Part) []string {
	var out []string
	for _, obj := range pv.Objects {
		name := obj.Ref()
		if slices.ContainsFunc(parts, func(p Part) bool { return ofEngineStore(rel, obj, p.Engine) }) {
			continue
		}
		if obj.EveryTime || obj.Trust || obj.Action == server.ObjectKept {
			continue
		}
		if obj.Action != "update" {
			out = append(out, obj.Action+" "+name)
			continue
		}
		for _, c := range obj.Rendered {
			if !databaseSetting(obj, c) {
				out = append(out, fmt.Sprintf("%s %s: %s → %s", name, c.Field, c.From, c.To))
			}
		}
		for _, c := range obj.Drifted {
			if isCount(obj, c.Field) {
				continue // recorded before, set again after
			}
			out = append(out, fmt.Sprintf("%s %s: %s → %s (undoes a change made by hand)", name, c.Field, c.From, c.To))
		}
	}
	return out
}

// ofStore tells whether an object belongs to a datastore's subchart.
func ofStore(rel server.Release, obj server.ObjectPreview) bool {
	return storeOf(rel, obj) != ""
}

func ofEngineStore(rel server.Release, obj server.ObjectPreview, e mover.Engine) bool {
	return strings.Contains(obj.Template, "/charts/"+string(e)+"/") ||
		(obj.Name == rel.Store(e).FullName && (obj.Kind == "Secret" || obj.Kind == "Service" || obj.Kind == "StatefulSet"))
}

// databaseSetting tells whether a changed field is one that a changed database
// location has to change: by what it says, not by where it stands.
func databaseSetting(obj server.ObjectPreview, c server.RenderedChange) bool {
	return c.Setting || isCount(obj, c.Field)
}

// isCount tells whether a field says how much of a workload of the application
// runs.
func isCount(obj server.ObjectPreview, field string) bool {
	return obj.Layer == "application" && (field == "spec.replicas" || obj.Kind == server.KindCronJob && field == "spec.suspend")
}

func clip(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n]), fmt.Sprintf("and %d more", len(list)-n))
}

func openMove(o Observation) bool { return o.Move.Is() && o.Move.Value.Open() }
