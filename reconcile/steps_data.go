package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func credentialsStep(s *spec.Spec, o Observation, e mover.Engine) engine.Step {
	t := kindOf(e)
	st := ofEngine(e, engine.NewStep(ActCredentials, t.Credentials, "Write the Secret the application will read"))
	ref := server.Declared(s, e).External.Password
	st.Reason = fmt.Sprintf("the chart reads the password there, as %s", strings.Join(credentialKeys(o, e), " and as "))
	from := "absent"
	if c := o.store(e).Credentials; c.Is() {
		from = "already right"
		if !c.Value.Matches {
			from = c.Value.Problem
		}
	}
	st.Changes = []engine.Change{{Field: server.FieldOf(e, "external", "password"), From: "Secret " + t.Credentials + " " + from, To: "copied from " + describeRef(ref)}}
	st.Estimate = engine.Estimate{High: time.Second}
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

func protectStep(o Observation, p Part) engine.Step {
	name := o.Release.Value.Store(p.Engine).FullName
	title := "Protect the internal database and its volume"
	if !kindOf(p.Engine).words.plain {
		title = "Protect the internal " + p.Engine.Title() + " and its volume"
	}
	st := engine.NewStep(ActProtect, name, title)
	st.Reason = "helm deletes StatefulSet and Secret with the switch; they are the way back until the commit"
	for _, v := range o.store(p.Engine).Internal.Value.Volumes {
		if v.ReclaimPolicy != "Retain" {
			st.Changes = append(st.Changes, engine.Change{Field: "PersistentVolume " + v.Name + " reclaimPolicy", From: v.ReclaimPolicy, To: "Retain"})
		}
	}
	st.Details = []string{"StatefulSet, Services and Secret " + name + " get helm.sh/resource-policy: keep"}
	st.Estimate = engine.Estimate{High: 2 * time.Second}
	return st
}

func readStep(o Observation, p Part) engine.Step {
	st := engine.NewStep(ActRead, p.Source(), "Read "+p.Source()+" whole, with the application up")
	st.Reason = "the copy will replace what the other side still holds; nothing there is given up before this side has been read once"
	st.Estimate = sizesOf(o, p).proving()
	st.Estimate.Assumption = "reads the source once"
	return st
}

func fenceStep(o Observation, p Part) engine.Step {
	words := kindOf(p.Engine).words
	object, title := o.Release.Value.Store(p.Engine).FullName, fmt.Sprintf(words.fenceTitle, p.From)
	if p.From == spec.External {
		object = p.External
	}
	st := engine.NewStep(ActFence, object, title)
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	st.Reason = "scaling to zero is not enough: any helm upgrade starts the application again, so the database itself refuses writes"
	st.Details = []string{words.fence}
	st.Estimate = engine.Estimate{Low: 2 * time.Second, High: 10 * time.Second}.Down()
	return st
}

func copyStep(o Observation, p Part) engine.Step {
	z := sizesOf(o, p)
	title := "Copy every database"
	if !kindOf(p.Engine).words.plain {
		title = "Copy every " + p.Engine.Title() + " database"
	}
	st := engine.NewStep(ActCopy, p.Target(), title)
	st.Reason = "the data has to be on the target before the application is"
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	before, field := "nothing of this installation", server.HostFieldOf(p.Engine)
	if p.To == spec.Internal {
		before, field = "nothing", server.FieldOf(p.Engine, "location")
	}
	if p.Replaces > 0 {
		before = fmt.Sprintf("the old data, superseded at epoch %d", p.Replaces)
		st.Risk, st.Accept = engine.Destructive, AcceptReplaceExternal
		if p.To == spec.Internal {
			st.Accept = AcceptReplaceInternal
		}
		st.Reason += "; what it held is replaced"
	}
	st.Changes = []engine.Change{{Field: field, From: before, To: fmt.Sprintf("%s in %d %s", mover.Bytes(z.bytes), z.tables, z.noun)}}
	st.Details = append(st.Details, keptDetails(o, p)...)
	for _, from := range slices.Sorted(maps.Keys(p.OwnerMap)) {
		why := "the target's admin role is no superuser"
		if p.To == spec.Internal {
			why = "as it was before the data moved out"
		}
		st.Details = append(st.Details, fmt.Sprintf("owner %s becomes %s: %s", from, p.OwnerMap[from], why))
	}
	st.Details = append(st.Details, adaptations(o, p.Engine)...)
	st.Estimate = z.copying().Down()
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
		text := fmt.Sprintf("volume %s (claim %s, %s)", v.Name, v.Claim, mover.Bytes(v.Bytes))
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

// adaptations are what the copy will change on purpose, as the mover found.
func adaptations(o Observation, e mover.Engine) []string {
	in := o.store(e).Inspection
	if !in.Is() {
		return nil
	}
	return in.Value.Adapted
}

func proveStep(o Observation, p Part) engine.Step {
	st := engine.NewStep(ActProve, string(p.Engine), "Prove that both sides are equal")
	if !kindOf(p.Engine).words.plain {
		st.Title = "Prove that both sides of " + p.Engine.Title() + " are equal"
	}
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	st.Reason = "a copy is done when it was compared, not when a command ended"
	st.Details = []string{kindOf(p.Engine).words.proof}
	st.Estimate = sizesOf(o, p).proving().Down()
	return st
}

func commitStep(p Part) engine.Step {
	st := engine.NewStep(ActCommit, p.ID(), "Commit: the target is authoritative")
	if !kindOf(p.Engine).words.plain {
		st.Title = "Commit: the target's " + p.Engine.Title() + " is authoritative"
	}
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	st.Reason = "from here on the old side is never taken for the truth again"
	st.Estimate = engine.Estimate{Low: time.Second, High: 5 * time.Second}.Down()
	return st
}

func removeStep(o Observation, p Part) engine.Step {
	name := o.Release.Value.Store(p.Engine).FullName
	st := engine.NewStep(ActRemove, name, "Remove the internal "+p.Engine.Title()+", keep its volume")
	st.Risk, st.Accept = engine.Destructive, AcceptRemoveInternal
	st.Reason = "nothing reads it any more; a running second database is a trap"
	st.Changes = []engine.Change{{Field: "StatefulSet/" + name, From: "running", To: "removed"}}
	for _, v := range o.store(p.Engine).Internal.Value.Volumes {
		st.Details = append(st.Details, fmt.Sprintf("volume %s (claim %s, %s) and Secret %s stay until you delete them", v.Name, v.Claim, mover.Bytes(v.Bytes), cmp.Or(p.InternalSecret.Name, name)))
	}
	st.Estimate = engine.Estimate{Low: 2 * time.Second, High: 60 * time.Second}
	return st
}
