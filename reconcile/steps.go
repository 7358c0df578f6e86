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
	ActRead        ActionKind = "read-source"
	ActRecord      ActionKind = "record-replicas"
	ActQuiesce     ActionKind = "quiesce"
	ActFence       ActionKind = "fence-source"
	ActCopy        ActionKind = "copy"
	ActProve       ActionKind = "prove"
	ActSwitch      ActionKind = "switch-release"
	ActHandOff     ActionKind = "hand-off"
	ActCommit      ActionKind = "commit-lineage"
	ActResume      ActionKind = "resume-service"
	ActSettle      ActionKind = "settle-release"
	ActSetAside    ActionKind = "set-aside"
	ActRemove      ActionKind = "remove-internal"
	ActGoBack      ActionKind = "go-back"
	ActAdopt       ActionKind = "adopt-internal"
)

// sideBySide are actions that take long and touch nothing in common: those of
// several datastores run at the same time.
var sideBySide = map[ActionKind]bool{ActRead: true, ActCopy: true, ActProve: true}

// beside counts how many of the first steps run side by side.
func beside(steps []Step) int {
	n := 1
	for n < len(steps) && sideBySide[steps[0].Action] && steps[n].Action == steps[0].Action {
		n++
	}
	return n
}

// moveSteps is the whole move. Its first steps may find their work done; they
// stand in the plan all the same, so that a plan made after a failed attempt
// reads like the first one. Outwards the release is switched once both sides
// are proven equal; inwards Helm has to bring the internal server up before
// anything can be copied to it, so the switch comes first and the application
// stays at zero until the proof.
func moveSteps(s *spec.Spec, o Observation, parts []Part) []Step {
	back := parts[0].To == spec.Internal
	each := func(step func(Part) Step, which ...func(Part) bool) (out []Step) {
		for _, p := range parts {
			if len(which) == 0 || which[0](p) {
				out = append(out, ofEngine(p.Engine, step(p)))
			}
		}
		return out
	}
	copied, forked := func(p Part) bool { return !p.Fork }, func(p Part) bool { return p.Fork }
	var steps []Step
	add := func(more ...Step) { steps = append(steps, more...) }
	turn, by := switchStep(s, o, parts), handsOff(s, o)
	if by != "" {
		turn = handOffStep(s, o, parts, by)
	}
	if !back {
		add(each(func(p Part) Step { return credentialsStep(s, o, p.Engine) })...)
		add(each(func(p Part) Step { return protectStep(o, p) })...)
	}
	for _, p := range parts {
		if p.Replaces > 0 {
			add(ofEngine(p.Engine, readStep(o, p)))
		}
	}
	add(recordStep(o), quiesceStep(o))
	add(each(func(p Part) Step { return fenceStep(o, p) })...)
	if back {
		add(turn)
	}
	add(each(func(p Part) Step { return copyStep(o, p) }, copied)...)
	add(each(func(p Part) Step { return proveStep(o, p) }, copied)...)
	if !back {
		add(turn)
	}
	add(each(commitStep)...)
	add(resumeStep(o, parts))
	if by == "" { // what the tool applied has the application up
		add(settleStep())
	}
	if !back {
		add(each(func(p Part) Step { return setAsideStep(o, p) }, forked)...)
		add(each(func(p Part) Step { return removeStep(o, p) })...)
	}
	return steps
}

func credentialsStep(s *spec.Spec, o Observation, e Engine) Step {
	t := traitsOf[e]
	st := ofEngine(e, newStep(ActCredentials, t.credentials, "Write the Secret the application will read"))
	ref := declared(s, e).external.password
	st.Reason = fmt.Sprintf("the chart reads the password there, as %s", strings.Join(t.keys, " and as "))
	from := "absent"
	if c := o.store(e).Credentials; c.Is() {
		from = "as wanted"
		if !c.Value.Matches {
			from = c.Value.Problem
		}
	}
	st.Changes = []Change{{Field: e.field("external", "password"), From: "Secret " + t.credentials + " " + from, To: "copied from " + describeRef(ref)}}
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

func protectStep(o Observation, p Part) Step {
	name := o.Release.Value.Store(p.Engine).FullName
	title := "Protect the internal database and its volume"
	if p.Engine != PostgreSQL {
		title = "Protect the internal " + p.Engine.title() + " and its volume"
	}
	st := newStep(ActProtect, name, title)
	st.Reason = "helm deletes StatefulSet and Secret with the switch; they are the way back until the commit"
	for _, v := range o.store(p.Engine).Internal.Value.Volumes {
		if v.ReclaimPolicy != "Retain" {
			st.Changes = append(st.Changes, Change{Field: "PersistentVolume " + v.Name + " reclaimPolicy", From: v.ReclaimPolicy, To: "Retain"})
		}
	}
	st.Details = []string{"StatefulSet, Services and Secret " + name + " get helm.sh/resource-policy: keep"}
	st.Estimate = Estimate{High: 2 * time.Second}
	return st
}

func readStep(o Observation, p Part) Step {
	st := newStep(ActRead, p.Source(), "Read "+p.Source()+" whole, with the application up")
	st.Reason = "the copy will replace what the other side still holds; nothing there is given up before this side has been read once"
	st.Estimate = sizesOf(o, p).proving()
	st.Estimate.Assumption = "reads the source once"
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

func quiesceStep(o Observation) Step {
	st := newStep(ActQuiesce, "application", "Stop the application")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "a consistent copy needs a source nobody writes to"
	pods := 0
	for _, w := range o.Workloads.Value {
		pods += w.Replicas
	}
	st.Details = []string{fmt.Sprintf("%d workloads with layer=application, %d pods, scaled to 0; the downtime begins here", len(o.Workloads.Value), pods)}
	st.Estimate = Estimate{Low: 2 * time.Second, High: 45 * time.Second, Assumption: "pods end within their grace period"}.down()
	return st
}

func fenceStep(o Observation, p Part) Step {
	object, title := o.Release.Value.Store(p.Engine).FullName, "Make the internal database read-only"
	if p.From == spec.External {
		object, title = p.External, "Make the external database read-only"
	}
	st := newStep(ActFence, object, title)
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "zero replicas protect nothing: anybody's helm upgrade starts the application again"
	st.Details = []string{"default_transaction_read_only = on, sessions ended, write counters read"}
	if p.Engine == MongoDB {
		st.Title = "Stop writes to the " + string(p.From) + " MongoDB"
		st.Details = []string{"sessions ended, write counters read; locked with fsyncLock where its user may, so that every write waits, elsewhere a write is noticed and stops the move"}
	}
	st.Estimate = Estimate{Low: 2 * time.Second, High: 10 * time.Second}.down()
	return st
}

func copyStep(o Observation, p Part) Step {
	z := sizesOf(o, p)
	title := "Copy every database"
	if p.Engine != PostgreSQL {
		title = "Copy every " + p.Engine.title() + " database"
	}
	st := newStep(ActCopy, p.Target(), title)
	st.Reason = "the data has to be on the target before the application is"
	st.Risk, st.Accept = Outage, AcceptOutage
	before, field := "nothing of this installation", p.Engine.hostField()
	if p.To == spec.Internal {
		before, field = "nothing", p.Engine.field("location")
	}
	if p.Replaces > 0 {
		before = fmt.Sprintf("the old data, superseded at epoch %d", p.Replaces)
		st.Risk, st.Accept = Destructive, AcceptReplaceExternal
		if p.To == spec.Internal {
			st.Accept = AcceptReplaceInternal
		}
		st.Reason += "; what it held is replaced"
	}
	st.Changes = []Change{{Field: field, From: before, To: fmt.Sprintf("%s in %d %s", Bytes(z.bytes), z.tables, z.noun)}}
	st.Details = append(st.Details, keptDetails(o, p)...)
	for _, from := range slices.Sorted(maps.Keys(p.OwnerMap)) {
		why := "the target's admin role is no superuser"
		if p.To == spec.Internal {
			why = "as it was before the data moved out"
		}
		st.Details = append(st.Details, fmt.Sprintf("owner %s becomes %s: %s", from, p.OwnerMap[from], why))
	}
	st.Details = append(st.Details, adaptations(o, p.Engine)...)
	st.Estimate = z.copying().down()
	return st
}

// keptDetails say what the volume holds that the way back will use.
func keptDetails(o Observation, p Part) []string {
	if p.To != spec.Internal {
		return nil
	}
	store := o.store(p.Engine)
	var out []string
	for _, v := range store.Internal.Value.Volumes {
		text := fmt.Sprintf("volume %s (claim %s, %s)", v.Name, v.Claim, Bytes(v.Bytes))
		switch l := store.Lineage; {
		case p.Replaces > 0 && !v.KeptSince.IsZero():
			text += fmt.Sprintf(" was kept on %s and holds the data as they were when %s took over", when(v.KeptSince), l.Value.Endpoint)
		case p.Replaces > 0:
			text += " holds the data as they were when " + l.Value.Endpoint + " took over"
		}
		out = append(out, text)
	}
	return out
}

func proveStep(o Observation, p Part) Step {
	st := newStep(ActProve, string(p.Engine), "Prove that both sides are equal")
	if p.Engine != PostgreSQL {
		st.Title = "Prove that both sides of " + p.Engine.title() + " are equal"
	}
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "a copy is done when it was compared, not when a command ended"
	st.Details = []string{"schemas, every row, indexes, constraints, sequences, large objects, owners and grants; a trial write as the application's role"}
	if p.Engine == MongoDB {
		st.Details = []string{"collections, options, indexes, views, validators, number of documents and content hash of every collection; a trial write as the application's user"}
	}
	st.Estimate = sizesOf(o, p).proving().down()
	return st
}

func switchStep(s *spec.Spec, o Observation, parts []Part) Step {
	rel := o.Release.Value
	back := parts[0].To == spec.Internal
	st := newStep(ActSwitch, rel.Name, "Point the Helm release at the target")
	if back {
		st.Title = "Bring the internal database up and point the Helm release at it"
	}
	st.Risk, st.Accept = Outage, AcceptOutage
	var fields []string
	for _, p := range parts {
		fields = append(fields, p.Engine.field("location"))
		st.Changes = append(st.Changes, switchChanges(s, rel, p)...)
	}
	says := "says"
	if len(fields) > 1 {
		says = "say"
	}
	st.Reason = fmt.Sprintf("%s %s %s and the release says %s", strings.Join(fields, " and "), says, parts[0].To, parts[0].From)
	st.Details = append([]string{"helm upgrade with the release's own values and chart, the application held at 0"}, previewLines(rel, o)...)
	st.Estimate = Estimate{Low: 2 * time.Second, High: 60 * time.Second, Assumption: "the chart's upgrade hooks are quick"}.down()
	if back {
		st.Estimate.High, st.Estimate.DownHigh = 3*time.Minute, 3*time.Minute
		st.Estimate.Assumption = "volume and image are where the pod starts"
	}
	return st
}

func switchChanges(s *spec.Spec, rel Release, p Part) []Change {
	live, e := rel.Store(p.Engine), p.Engine
	out := []Change{{Field: e.field("location"), From: string(p.From), To: string(p.To)}}
	d := declared(s, e)
	if p.To == spec.Internal || d == nil || d.external == nil {
		return append(out, Change{Field: "StatefulSet/" + live.FullName, From: "absent", To: "running"})
	}
	x := d.external.endpoint
	if e == MongoDB {
		return append(out,
			Change{Field: e.hostField(), From: live.At(), To: x.at()},
			Change{Field: e.field("external", "username"), From: live.Username, To: x.Username})
	}
	return append(out,
		Change{Field: e.hostField(), From: live.Host, To: x.Host},
		Change{Field: e.field("external", "port"), From: itoa(live.Port), To: itoa(x.Port)},
		Change{Field: e.field("external", "username"), From: live.Username, To: x.Username})
}

// previewLines is the rendered difference, a line for each kind of effect.
func previewLines(rel Release, o Observation) []string {
	pv := o.Preview
	if !pv.Is() {
		return nil
	}
	var updated, kept, made []string
	for _, obj := range pv.Value.Objects {
		name := obj.Kind + "/" + obj.Name
		switch {
		case ofStore(rel, obj) && obj.Action == "create":
			made = append(made, name)
		case ofStore(rel, obj) && obj.Action == "delete":
			kept = append(kept, name)
		case ofStore(rel, obj):
		case obj.Action == "update" && len(obj.Rendered) > 0:
			updated = append(updated, name)
		}
	}
	var out []string
	if len(updated) > 0 {
		out = append(out, fmt.Sprintf("changes the database settings of %d objects: %s", len(updated), strings.Join(clip(names(updated), 4), ", ")))
	}
	if len(kept) > 0 {
		out = append(out, "leaves the release but stays alive: "+strings.Join(kept, ", "))
	}
	if len(made) > 0 {
		out = append(out, "comes into the release again: "+strings.Join(made, ", "))
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

func commitStep(p Part) Step {
	st := newStep(ActCommit, p.ID(), "Commit: the target is authoritative")
	if p.Engine != PostgreSQL {
		st.Title = "Commit: the target's " + p.Engine.title() + " is authoritative"
	}
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "from here on the old side is never taken for the truth again"
	st.Estimate = Estimate{Low: time.Second, High: 5 * time.Second}.down()
	return st
}

func resumeStep(o Observation, parts []Part) Step {
	st := newStep(ActResume, "application", "Start the application on the target")
	st.Risk, st.Accept = Outage, AcceptOutage
	st.Reason = "the downtime ends when every workload is ready and has sessions on the target"
	st.Details = []string{fmt.Sprintf("%d workloads back at their recorded replicas, sessions on %s checked; from its first write there on, there is only forward",
		len(o.Workloads.Value), eachPart(parts, Part.Target))}
	st.Estimate = Estimate{Low: 3 * time.Second, High: 90 * time.Second, Assumption: "pods start as before"}.down()
	return st
}

func settleStep() Step {
	st := newStep(ActSettle, "release", "Store a Helm revision with the application up")
	st.Reason = "the switching revision holds the application at 0: a helm rollback to it would stop CircleCI"
	st.Estimate = Estimate{Low: 2 * time.Second, High: 30 * time.Second}
	return st
}

func removeStep(o Observation, p Part) Step {
	name := o.Release.Value.Store(p.Engine).FullName
	st := newStep(ActRemove, name, "Remove the internal "+p.Engine.title()+", keep its volume")
	st.Risk, st.Accept = Destructive, AcceptRemoveInternal
	st.Reason = "nothing reads it any more; a running second database is a trap"
	st.Changes = []Change{{Field: "StatefulSet/" + name, From: "running", To: "removed"}}
	for _, v := range o.store(p.Engine).Internal.Value.Volumes {
		st.Details = append(st.Details, fmt.Sprintf("volume %s (claim %s, %s) and Secret %s stay until you delete them", v.Name, v.Claim, Bytes(v.Bytes), name))
	}
	st.Estimate = Estimate{Low: 2 * time.Second, High: 60 * time.Second}
	return st
}

// adaptations are what the copy will change on purpose, as the mover found.
func adaptations(o Observation, e Engine) []string {
	in := o.store(e).Inspection
	if !in.Is() {
		return nil
	}
	return clip(in.Value.Adapted, 6)
}
