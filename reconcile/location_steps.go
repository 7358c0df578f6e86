package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// The closed set of actions. Each has one entry in actionsByKind.
const (
	ActCredentials ActionKind = "write-credentials"
	ActProtect     ActionKind = "protect-store"
	ActRecord      ActionKind = "record-replicas"
	ActQuiesce     ActionKind = "quiesce"
	ActFence       ActionKind = "fence-source"
	ActCopy        ActionKind = "copy"
	ActProve       ActionKind = "prove"
	ActSwitch      ActionKind = "switch-release"
	ActCommit      ActionKind = "commit-lineage"
	ActResume      ActionKind = "resume-service"
	ActSettle      ActionKind = "settle-release"
	ActRemove      ActionKind = "remove-internal"
	ActGoBack      ActionKind = "go-back"
)

func credentialsStep(s *spec.Spec, o Observation) Step {
	st := newStep(ActCredentials, CredentialsName, "Write the Secret the application will read")
	ref := s.Datastores.PostgreSQL.External.Password
	st.Reason = fmt.Sprintf("the chart reads the password there, as %s", strings.Join(CredentialsKeys, " and as "))
	from := "absent"
	if c := o.Postgres.Credentials; c.Is() {
		from = "as wanted"
		if !c.Value.Matches {
			from = c.Value.Problem
		}
	}
	st.Changes = []Change{{Field: targetField + ".password", From: "Secret " + CredentialsName + " " + from, To: "copied from " + describeRef(ref)}}
	st.Estimate = Estimate{High: time.Second}
	return st
}

func describeRef(r spec.SecretRef) string {
	switch {
	case r.Secret != nil:
		return "Secret " + r.Secret.Name + " key " + r.Secret.Key
	case r.Env != "":
		return "environment variable " + r.Env
	}
	return "file " + r.File
}

func protectStep(o Observation) Step {
	name := o.Release.Value.Postgres.FullName
	st := newStep(ActProtect, name, "Protect the internal database and its volume")
	st.Reason = "helm deletes StatefulSet and Secret with the switch; they are the way back until the commit"
	for _, v := range o.Postgres.Internal.Value.Volumes {
		if v.ReclaimPolicy != "Retain" {
			st.Changes = append(st.Changes, Change{Field: "PersistentVolume " + v.Name + " reclaimPolicy", From: v.ReclaimPolicy, To: "Retain"})
		}
	}
	st.Details = []string{"StatefulSet, Services and Secret " + name + " get helm.sh/resource-policy: keep"}
	st.Estimate = Estimate{High: 2 * time.Second}
	return st
}

func recordStep(o Observation) Step {
	st := newStep(ActRecord, "application", "Record the replica counts of the application")
	_, text := countsOf(o.Workloads.Value)
	st.Reason = "they come back exactly, also the ones no values file knows"
	st.Details = []string{strings.Join(text, ", ")}
	st.Estimate = Estimate{High: 2 * time.Second}
	return st
}

func quiesceStep(o Observation, z sizes) Step {
	st := newStep(ActQuiesce, "application", "Stop the application")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "a consistent copy needs a source nobody writes to"
	st.Details = []string{fmt.Sprintf("%d workloads with layer=application, %d pods, scaled to 0; the downtime begins here", len(o.Workloads.Value), z.pods)}
	st.Estimate = Estimate{Low: 2 * time.Second, High: 45 * time.Second, Assumption: "pods end within their grace period"}.down()
	return st
}

func fenceStep(rel Release) Step {
	st := newStep(ActFence, rel.Postgres.FullName, "Make the internal database read-only")
	st.Risk = Outage
	st.Accept = AcceptOutage
	st.Reason = "zero replicas protect nothing: anybody's helm upgrade starts the application again"
	st.Details = []string{"default_transaction_read_only = on, sessions ended, write counters read"}
	st.Estimate = Estimate{Low: 2 * time.Second, High: 10 * time.Second}.down()
	return st
}

func copyStep(s *spec.Spec, o Observation, z sizes) Step {
	e := s.Datastores.PostgreSQL.External
	st := newStep(ActCopy, endpointOf(e), "Copy every database")
	st.Reason = "the data has to be on the target before the application is"
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Changes = []Change{{Field: targetField + ".host", From: "nothing of this installation", To: fmt.Sprintf("%s in %d tables", Bytes(z.bytes), z.tables)}}
	owners := ownerMap(s, o)
	for _, from := range slices.Sorted(maps.Keys(owners)) {
		st.Details = append(st.Details, fmt.Sprintf("owner %s becomes %s: the target's admin role is no superuser", from, owners[from]))
	}
	st.Details = append(st.Details, adaptations(o)...)
	st.Estimate = z.copying().down()
	return st
}

func proveStep(z sizes) Step {
	st := newStep(ActProve, string(PostgreSQL), "Prove that both sides are equal")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "a copy is done when it was compared, not when a command ended"
	st.Details = []string{"schemas, every row, indexes, constraints, sequences, large objects, owners and grants; a trial write as the application's role"}
	st.Estimate = z.proving().down()
	return st
}

func switchStep(s *spec.Spec, rel Release, o Observation) Step {
	e := s.Datastores.PostgreSQL.External
	st := newStep(ActSwitch, rel.Name, "Point the Helm release at the target")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = fmt.Sprintf("%s says %s and the release says internal", locationField, s.Datastores.PostgreSQL.Location)
	pg := rel.Postgres
	st.Changes = []Change{
		{Field: locationField, From: "internal", To: "external"},
		{Field: targetField + ".host", From: pg.Host, To: e.Host},
		{Field: targetField + ".port", From: itoa(pg.Port), To: itoa(e.Port)},
		{Field: targetField + ".username", From: pg.Username, To: e.Username},
	}
	st.Details = append([]string{"helm upgrade with the release's own values and chart, the application held at 0"}, previewLines(rel, o)...)
	st.Estimate = Estimate{Low: 2 * time.Second, High: 60 * time.Second, Assumption: "the chart's upgrade hooks are quick"}.down()
	return st
}

// previewLines is the rendered difference, a line for each kind of effect.
func previewLines(rel Release, o Observation) []string {
	pv := o.Postgres.Preview
	if !pv.Is() {
		return nil
	}
	var updated, kept []string
	for _, obj := range pv.Value.Objects {
		switch {
		case ofStore(rel, obj):
			kept = append(kept, obj.Kind+"/"+obj.Name)
		case obj.Action == "update" && len(obj.Rendered) > 0:
			updated = append(updated, obj.Kind+"/"+obj.Name)
		}
	}
	var out []string
	if len(updated) > 0 {
		out = append(out, fmt.Sprintf("changes the database settings of %d objects: %s", len(updated), strings.Join(clip(names(updated), 4), ", ")))
	}
	if len(kept) > 0 {
		out = append(out, "leaves the release but stays alive: "+strings.Join(kept, ", "))
	}
	return out
}

func names(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		_, out[i], _ = strings.Cut(k, "/")
	}
	return out
}

func commitStep(m Move) Step {
	st := newStep(ActCommit, m.ID, "Commit: the target is authoritative")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "from here on the old side is never taken for the truth again"
	st.Estimate = Estimate{Low: time.Second, High: 5 * time.Second}.down()
	return st
}

func resumeStep(o Observation, target string) Step {
	st := newStep(ActResume, "application", "Start the application on the target")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "the downtime ends when every workload is ready and has sessions on the target"
	st.Details = []string{fmt.Sprintf("%d workloads back at their recorded replicas, sessions on %s checked; from its first write there on, there is only forward", len(o.Workloads.Value), target)}
	st.Estimate = Estimate{Low: 3 * time.Second, High: 90 * time.Second, Assumption: "pods start as before"}.down()
	return st
}

func settleStep() Step {
	st := newStep(ActSettle, "release", "Store a Helm revision with the application up")
	st.Reason = "the switching revision holds the application at 0: a helm rollback to it would stop CircleCI"
	st.Estimate = Estimate{Low: 2 * time.Second, High: 30 * time.Second}
	return st
}

func removeStep(o Observation) Step {
	name := o.Release.Value.Postgres.FullName
	st := newStep(ActRemove, name, "Remove the internal PostgreSQL, keep its volume")
	st.Risk, st.Accept = Destructive, AcceptRemoveInternal
	st.Reason = "nothing reads it any more; a running second database is a trap"
	st.Changes = []Change{{Field: "StatefulSet/" + name, From: "running", To: "removed"}}
	for _, v := range o.Postgres.Internal.Value.Volumes {
		st.Details = append(st.Details, fmt.Sprintf("volume %s (claim %s, %s) and Secret %s stay until you delete them", v.Name, v.Claim, Bytes(v.Bytes), name))
	}
	st.Estimate = Estimate{Low: 2 * time.Second, High: 60 * time.Second}
	return st
}

// adaptations are what the copy will change on purpose, as the mover found.
func adaptations(o Observation) []string {
	in := o.Postgres.Inspection
	if !in.Is() {
		return nil
	}
	return clip(in.Value.Adapted, 6)
}
