package reconcile

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// StatusLine is one line of status: what it is about, how it is, and whether
// somebody has to act.
type StatusLine struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
	// Alarm marks what comes first and wants somebody now.
	Alarm bool `json:"alarm,omitempty"`
	// Command is what to run about it.
	Command string `json:"command,omitempty"`
}

// Status says in a few lines where things are. What wants somebody now comes
// first; what could not be read is said, never left out.
func Status(s *spec.Spec, o Observation, file string) []StatusLine {
	var out []StatusLine
	if openMove(o) {
		out = append(out, statusMove(o, file))
	}
	if o.Move.Unread() && s.Server != nil {
		out = append(out, StatusLine{Topic: "move", Alarm: true, Text: "could not be read: " + o.Move.Why})
	}
	out = append(out, statusRelease(o), statusApplication(o))
	out = append(out, statusAiling(o)...)
	for _, e := range engines {
		if server.Declared(s, e) != nil || kindOf(e).words.plain {
			out = append(out, statusStore(o, e), statusServers(o, e))
		}
	}
	out = append(out, statusLast(o), statusLease(o))
	for _, e := range o.Journal.Value.Cut() {
		out = append(out, StatusLine{Topic: "cut off", Text: fmt.Sprintf("%s, begun %s by %s", e.Title, when(e.Begun), e.By)})
	}
	return out
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func statusMove(o Observation, file string) StatusLine {
	m := o.Move.Value
	line := StatusLine{Topic: "move", Alarm: true, Command: "circleci-dr apply --file " + file}
	line.Text = fmt.Sprintf("%s to %s is unfinished since %s", m.ID, m.Target(), when(m.Opened))
	if !m.Quiesced.IsZero() && m.Resumed.IsZero() {
		line.Text = fmt.Sprintf("THE APPLICATION IS STOPPED since %s: move %s to %s was cut off", when(m.Quiesced), m.ID, m.Target())
		for _, p := range m.Parts {
			if p.Fence != nil {
				line.Text += "; " + p.Source() + " is " + p.Fence.Fence.Says()
			}
		}
	}
	if h := m.HandOff; h != nil && !h.Announced.IsZero() && m.Phase == MoveOpen {
		line.Text += fmt.Sprintf("; it waits since %s for %s to apply the values that circleci-dr plan prints", when(h.Announced), toolName(h.By))
	}
	if o.Lease.Is() {
		// Whether its holder lives shows only over time, so the way out is given
		// all the same: apply itself refuses while the holder works.
		line.Text += fmt.Sprintf(" (%s holds the lease: it is at work on it, or dead)", o.Lease.Value.Owner)
	}
	return line
}

func statusRelease(o Observation) StatusLine {
	line := StatusLine{Topic: "release"}
	switch {
	case o.Release.Is():
		r := o.Release.Value
		line.Text = fmt.Sprintf("%s/%s revision %d, %s %s, %s", r.Namespace, r.Name, r.Revision, r.Chart, r.ChartVersion, r.Status)
		line.Alarm = r.Pending()
	case o.Release.IsNot():
		line.Text, line.Alarm = "is not there", true
	default:
		line.Text, line.Alarm = "could not be read: "+o.Release.Why, true
	}
	return line
}

func statusApplication(o Observation) StatusLine {
	line := StatusLine{Topic: "application"}
	if !o.Workloads.Is() {
		line.Text, line.Alarm = "could not be read: "+o.Workloads.Why, true
		return line
	}
	ready, want, zero := 0, 0, 0
	suspended, counted := 0, 0
	for _, w := range o.Workloads.Value {
		if w.Kind == server.KindCronJob {
			suspended += 1 - w.Replicas
			continue
		}
		counted++
		ready, want = ready+w.Ready, want+w.Replicas
		if w.Replicas == 0 {
			zero++
		}
	}
	line.Text = fmt.Sprintf("%d of %d pods ready in %d workloads", ready, want, counted)
	if zero > 0 {
		line.Text += fmt.Sprintf(", %d workloads at zero", zero)
		line.Alarm = true
	}
	if suspended > 0 {
		line.Text += fmt.Sprintf(", %d CronJobs suspended", suspended)
	}
	if t := server.TroubleOf(o.Workloads.Value); t != "" {
		line.Text, line.Alarm = line.Text+"; "+t, true
	}
	return line
}

func statusStore(o Observation, e mover.Engine) StatusLine {
	line := StatusLine{Topic: string(e)}
	if !o.Release.Is() {
		line.Text = "unknown without the release"
		return line
	}
	live := o.Release.Value.Store(e)
	if live.Internal {
		line.Text = "internal, StatefulSet " + live.FullName
	} else {
		line.Text = "external, " + live.Username + "@" + live.At()
	}
	if l := o.store(e).Lineage; l.Is() {
		line.Text += fmt.Sprintf("; epoch %d, %s is authoritative since %s", l.Value.Epoch, l.Value.Authoritative, when(l.Value.At))
		if (l.Value.Authoritative == spec.Internal) != live.Internal {
			line.Alarm = true
		}
	}
	if p := o.Move.Value.part(e); o.Move.Is() && p != nil && len(p.SetAside) > 0 {
		line.Text += "; set aside on " + p.Source() + ": " + keptText(p.SetAside, p.LeftAlone)
	}
	if kept := o.store(e).Lineage.Value.SetAside; len(kept) > 0 {
		line.Text += "; set aside on " + o.store(e).Lineage.Value.Endpoint + ": " + keptText(kept, o.store(e).Lineage.Value.LeftAlone)
	}
	for _, v := range o.store(e).Internal.Value.Volumes {
		if !v.KeptSince.IsZero() && !live.Internal {
			line.Text += fmt.Sprintf("; volume %s kept since %s", v.Name, when(v.KeptSince))
		}
	}
	return line
}

func statusServers(o Observation, e mover.Engine) StatusLine {
	line := StatusLine{Topic: "servers"}
	in := o.store(e).Inspection
	switch {
	case in.IsNot():
		line.Text = "never inspected: run circleci-dr plan"
	case in.Unread():
		line.Text = "unknown: " + cmp.Or(in.Why, "never inspected")
	default:
		inside, outside := in.Value.Sides()
		line.Text = fmt.Sprintf("inspected %s ago: ", o.At.Sub(in.Value.At).Round(time.Second))
		line.Text += describeSide(e, "internal", inside) + ", " + describeSide(e, "external", outside)
	}
	return line
}

func describeSide(e mover.Engine, name string, side *mover.InspectedSide) string {
	switch {
	case side == nil:
		return name + " none"
	case side.Database == nil:
		return name + " " + side.Error
	}
	var bytes int64
	for _, db := range side.Database.Databases {
		bytes += db.Bytes
	}
	text := fmt.Sprintf("%s %s %s with %s", name, e.Title(), side.Database.ServerVersion, mover.Bytes(bytes))
	if side.Database.Fence != nil {
		text += " (" + strings.ToUpper(side.Database.Fence.Says()) + ": a fence stands since " + when(side.Database.Fence.Since) + ")"
	}
	return text
}

func statusLast(o Observation) StatusLine {
	line := StatusLine{Topic: "last apply"}
	switch {
	case o.Applied.Is():
		a := o.Applied.Value
		line.Text = fmt.Sprintf("%s by %s, plan %s", when(a.At), a.By, a.Plan)
	case o.Applied.IsNot():
		line.Text = "never"
	default:
		line.Text = "unknown: " + o.Applied.Why
	}
	if m := o.Move; m.Is() && m.Value.Phase == MoveReverted {
		line.Text += "; the last move went back by itself: " + m.Value.LastError
	}
	return line
}

func statusLease(o Observation) StatusLine {
	line := StatusLine{Topic: "lease"}
	switch {
	case o.Lease.Is():
		h := o.Lease.Value
		line.Text = fmt.Sprintf("held by %s for %s since %s", h.Owner, h.Purpose, when(h.Since))
	case o.Lease.IsNot():
		line.Text = "free"
	default:
		line.Text = "unknown: " + o.Lease.Why
	}
	return line
}
