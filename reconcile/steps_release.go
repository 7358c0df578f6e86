package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func recordStep(o Observation) engine.Step {
	st := engine.NewStep(ActRecord, "application", "Record the replica counts of the application")
	_, text := server.CountsOf(o.Workloads.Value)
	st.Reason = "they come back exactly, also the ones no values file knows"
	st.Details = []string{strings.Join(text, ", ")}
	st.Estimate = engine.Estimate{High: 2 * time.Second}
	return st
}

func quiesceStep(o Observation) engine.Step {
	st := engine.NewStep(ActQuiesce, "application", "Stop the application")
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	st.Reason = "a consistent copy needs a source nobody writes to"
	pods := 0
	var crons []string
	for _, w := range o.Workloads.Value {
		if w.Kind == server.KindCronJob {
			crons = append(crons, w.Name)
			continue
		}
		pods += w.Replicas
	}
	st.Details = []string{fmt.Sprintf("%d workloads with layer=application, %d pods, scaled to 0; the downtime begins here", len(o.Workloads.Value)-len(crons), pods)}
	if len(crons) > 0 {
		st.Details = append(st.Details, fmt.Sprintf("CronJobs suspended until the end: %s; Jobs that run get %s to end", strings.Join(crons, ", "), jobsTime))
	}
	st.Estimate = engine.Estimate{Low: 2 * time.Second, High: 45 * time.Second, Assumption: "pods end within their grace period"}
	if jobs, _ := server.JobsAmong(o.Writers.Value); len(jobs) > 0 {
		st.Estimate.High += jobsTime
	}
	st.Estimate = st.Estimate.Down()
	return st
}

func switchStep(s *spec.Spec, o Observation, parts []Part) engine.Step {
	rel := o.Release.Value
	back := parts[0].To == spec.Internal
	st := engine.NewStep(ActSwitch, rel.Name, "Point the Helm release at the target")
	if back {
		st.Title = "Bring the internal database up and point the Helm release at it"
	}
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	var fields []string
	for _, p := range parts {
		fields = append(fields, server.FieldOf(p.Engine, "location"))
		st.Changes = append(st.Changes, switchChanges(s, rel, p)...)
		st.Details = append(st.Details, trustLines(rel, p)...)
	}
	says := "says"
	if len(fields) > 1 {
		says = "say"
	}
	st.Reason = fmt.Sprintf("%s %s %s and the release says %s", strings.Join(fields, " and "), says, parts[0].To, parts[0].From)
	st.Details = append(append([]string{"helm upgrade with the release's own values and chart, the application held at 0"}, st.Details...), previewLines(rel, o)...)
	st.Estimate = engine.Estimate{Low: 2 * time.Second, High: 60 * time.Second, Assumption: "the chart's upgrade hooks are quick"}.Down()
	if back {
		st.Estimate.High, st.Estimate.DownHigh = 3*time.Minute, 3*time.Minute
		st.Estimate.Assumption = "volume and image are where the pod starts"
	}
	return st
}

func switchChanges(s *spec.Spec, rel server.Release, p Part) []engine.Change {
	live, e := rel.Store(p.Engine), p.Engine
	out := []engine.Change{{Field: server.FieldOf(e, "location"), From: string(p.From), To: string(p.To)}}
	d := server.Declared(s, e)
	if p.To == spec.Internal || d == nil || d.External == nil {
		return append(out, engine.Change{Field: "StatefulSet/" + live.FullName, From: "absent", To: "running"})
	}
	x := d.External.Endpoint
	out = append(out, trustChanges(p)...)
	out = append(out, server.AddressChanges(e, live, x)...)
	return append(out, engine.Change{Field: server.FieldOf(e, "external", "username"), From: live.Username, To: x.Username})
}

// previewLines is the rendered difference, a line for each kind of effect.
func previewLines(rel server.Release, o Observation) []string {
	pv := o.Preview
	if !pv.Is() {
		return nil
	}
	var updated, kept, gone, made []string
	for _, obj := range pv.Value.Objects {
		name := obj.Ref()
		switch {
		case ofStore(rel, obj) && obj.Action == "create":
			made = append(made, name)
		case ofStore(rel, obj) && (obj.Action == server.ObjectKept || obj.Action == "delete" && slices.Contains(server.Belongings, obj.Kind)):
			kept = append(kept, name)
		case ofStore(rel, obj) && obj.Action == "delete":
			gone = append(gone, name)
		case ofStore(rel, obj):
		case obj.Trust:
			made = append(made, name)
		case obj.Action == "update" && len(obj.Rendered) > 0:
			updated = append(updated, name)
		}
	}
	var out []string
	if len(updated) > 0 {
		what := "database settings"
		if slices.ContainsFunc(pv.Value.Objects, trusts) {
			what += " and what is trusted"
		}
		out = append(out, fmt.Sprintf("changes the %s of %d objects: %s", what, len(updated), strings.Join(names(updated), ", ")))
	}
	if len(kept) > 0 {
		out = append(out, "leaves the release but stays alive: "+strings.Join(kept, ", "))
	}
	if len(gone) > 0 {
		out = append(out, "goes with the switch: "+strings.Join(gone, ", "))
	}
	if len(made) > 0 {
		out = append(out, "comes into the release: "+strings.Join(made, ", "))
	}
	return append(append(out, renewedLines(pv.Value)...), hookLines(pv.Value)...)
}

func names(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		_, out[i], _ = strings.Cut(k, "/")
	}
	return out
}

func resumeStep(o Observation, parts []Part) engine.Step {
	st := engine.NewStep(ActResume, "application", "Start the application on the target")
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	st.Reason = "the downtime ends when every workload is ready and has sessions on the target"
	st.Details = []string{fmt.Sprintf("%d workloads back at their recorded replicas, sessions on %s checked; from its first write there on, there is only forward",
		len(o.Workloads.Value), eachPart(parts, Part.Target))}
	st.Estimate = engine.Estimate{Low: 3 * time.Second, High: 90 * time.Second, Assumption: "pods start as before"}.Down()
	return st
}

func settleStep() engine.Step {
	st := engine.NewStep(ActSettle, "release", "Store a Helm revision with the application up")
	st.Reason = "the switching revision holds the application at 0: a helm rollback to it would stop CircleCI"
	st.Estimate = engine.Estimate{Low: 2 * time.Second, High: 30 * time.Second}
	return st
}
