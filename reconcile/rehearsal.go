package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// A rehearsal is what preflight cannot know by reading: with the application up
// the schema is made on the target, compared and removed again. It counts until
// the schema, a version, the role or the extensions of the target change.

// Rehearsed is the record of the newest rehearsal of a datastore.
type Rehearsed struct {
	mover.Rehearsal
	// Of is the fingerprint of what else it rests on, see restsOn.
	Of string `json:"of"`
	// CouldNot says why there is no result: the target gives no room or right
	// for one, or the source was never quiet enough.
	CouldNot string `json:"couldNot,omitempty"`
	// Waived tells that somebody chose to go on without one.
	Waived bool `json:"waived,omitempty"`
	// Bytes in Tables is what the inspection counted then: a plan knows the data
	// by that measure.
	Bytes  int64 `json:"bytes,omitempty"`
	Tables int   `json:"tables,omitempty"`
	// Dress is the newest one with the rows; nil when there was none.
	Dress *Rehearsed `json:"dress,omitempty"`
	// Attempt is a later one of the same kind that gave no result, so that this
	// one stands; nil when there was none.
	Attempt *Attempt `json:"attempt,omitempty"`
}

// RecordRehearsal names the record of a datastore's newest rehearsal.
func RecordRehearsal(e mover.Engine) string { return "rehearsal-" + string(e) }

// rehearsable tells the parts of a move that are rehearsed. Inwards the target
// does not exist before the release is switched, a fork copies nothing, and of
// MongoDB every inspection tries on the target what there is (ADR 0047). A target
// that had its turn tells by its transaction numbers whether anybody wrote there
// since; a rehearsal would take some.
func rehearsable(p Part) bool {
	return kindOf(p.Engine).rehearses && p.To == spec.External && !p.Fork && p.Replaces == 0
}

// restsOn is the fingerprint of what a rehearsal rests on beside the schema: both
// versions, the target's server, role and extensions, who is renamed, and the code
// of the copy, which is the mover's image and, where the file names none, comes
// with this program.
func restsOn(s *spec.Spec, o Observation, p Part) string {
	in := o.store(p.Engine).Inspection.Value
	rests := struct {
		From, To   int
		Server     string
		Role       mover.RolePrivileges
		Extensions map[string][]string
		OwnerMap   map[string]string
		Image      string
		Tool       string
		PgDump     int
	}{OwnerMap: p.OwnerMap, Image: s.Mover.Image, Tool: o.Tool}
	if src := in.Source; src != nil && src.Database != nil {
		rests.From = src.Database.VersionNum
	}
	if dst := in.Target; dst != nil && dst.Database != nil {
		rests.To, rests.Role, rests.Extensions = dst.Database.VersionNum, dst.Database.Role, dst.Database.Extensions
		// A copy makes it a member of what it carries, also one that went back.
		rests.Role.MemberOf = slices.DeleteFunc(slices.Clone(rests.Role.MemberOf), func(role string) bool { return in.Carries(role) })
		rests.Server = p.External + " " + dst.Database.SystemIdentifier
	}
	rests.PgDump = dumpFor(in.PgDump, rests.From, rests.To)
	return engine.Fingerprint(rests)[:16]
}

// schemaNow is the fingerprint of the source's schema, empty when it is unknown.
func schemaNow(o Observation, e mover.Engine) string {
	if in := o.store(e).Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		return in.Value.Source.Database.Schema
	}
	return ""
}

// lastRehearsal is the newest rehearsal of a part, and why it does not count;
// empty when it does.
func lastRehearsal(s *spec.Spec, o Observation, p Part) (r Rehearsed, not string) {
	switch rec := o.store(p.Engine).Rehearsal; {
	case rec.Unread():
		return Rehearsed{}, recordUnread(rec)
	case rec.Value.At.IsZero() && rec.Value.Dress == nil:
		return rec.Value, "it was not rehearsed yet"
	case rec.Value.At.IsZero():
		return rec.Value, "it was not rehearsed without its rows yet"
	default:
		return rec.Value, changedSince(s, o, p, rec.Value)
	}
}

// changedSince says why a rehearsal does not count any more; empty when it does.
func changedSince(s *spec.Spec, o Observation, p Part, r Rehearsed) string {
	switch {
	case r.Of != restsOn(s, o, p):
		return "the target, its role, its extensions, or a version, this program's too, has changed since"
	case r.CouldNot == "" && r.Schema != schemaNow(o, p.Engine):
		return "the schema has changed since"
	}
	return ""
}

func recordUnread(rec engine.Observed[Rehearsed]) string {
	return "its record could not be read: " + cmp.Or(rec.Why, "it was not looked at")
}

// rehearsalSteps are the steps that a part needs before the application stops:
// none when a rehearsal counts.
func rehearsalSteps(s *spec.Spec, o Observation, p Part) []engine.Step {
	if !rehearsable(p) {
		return nil
	}
	last, not := lastRehearsal(s, o, p)
	var st engine.Step
	switch {
	case not == "" && last.CouldNot != "" && !last.Waived:
		st = unrehearsedStep(p, last)
	case not == "" && (len(last.Differences) == 0 || last.Waived):
		return nil
	default:
		st = rehearseStep(o, p, not)
	}
	st = ofEngine(p.Engine, st)
	st.Args["schema"], st.Args["of"] = schemaNow(o, p.Engine), restsOn(s, o, p)
	return []engine.Step{st}
}

func rehearseStep(o Observation, p Part, not string) engine.Step {
	st := engine.NewStep(ActRehearse, p.Target(), "Rehearse the schema on the target, with the application up")
	st.Reason = "what the target would refuse or make differently is found before the application stops; " + cmp.Or(not, "the last one found something")
	st.Details = []string{"databases and roles under names of our own, compared with the source and removed again; no rows are copied",
		"nobody waits on it for longer than 3 s: it lets go and begins again"}
	tables := time.Duration(sizesOf(o, p).tables)
	st.Estimate = engine.Estimate{Low: 3*time.Second + tables*perTable, High: 30*time.Second + tables*10*perTable, Assumption: fmt.Sprintf("%d tables without their rows", tables)}
	return st
}

func unrehearsedStep(p Part, last Rehearsed) engine.Step {
	st := engine.NewStep(ActUnrehearsed, p.Target(), "Go on without a rehearsal")
	st.Risk, st.Accept = engine.Outage, AcceptUnrehearsed
	st.Reason = fmt.Sprintf("the rehearsal of %s could not be made, and what the target refuses would be found while the application is stopped", when(last.At))
	st.Estimate = engine.Estimate{High: time.Second}
	return st
}

// rehearsalFindings are what the newest rehearsal found, as long as it counts.
func rehearsalFindings(s *spec.Spec, o Observation, p Part) []engine.Finding {
	if !rehearsable(p) {
		return nil
	}
	last, not := lastRehearsal(s, o, p)
	switch {
	case not != "":
		return nil
	case last.CouldNot != "" && !last.Waived:
		return []engine.Finding{{ID: "rehearsal-impossible", Field: server.FieldOf(p.Engine, "external"), Source: sourceRehearsal,
			What: fmt.Sprintf("the rehearsal of %s could not be made: %s", when(last.At), last.CouldNot),
			Fix:  "mend the cause and run circleci-dr rehearse, or accept " + AcceptUnrehearsed}}
	}
	found := foundBy(p, last.Rehearsal)
	for i := range found {
		found[i].Blocks = !last.Waived
	}
	return found
}

// foundBy are the differences of a rehearsal as findings.
func foundBy(p Part, r mover.Rehearsal) []engine.Finding {
	var out []engine.Finding
	for _, d := range r.Differences {
		if r.WithData {
			out = append(out, dressFinding(p, r, d))
			continue
		}
		out = append(out, block("rehearsal", server.FieldOf(p.Engine, "external"), sourceRehearsal,
			"change the source or the target, then run circleci-dr rehearse; rehearse --waive goes on in spite of it",
			"the rehearsal of %s found: %s", when(r.At), d))
	}
	return out
}

// rehearsalNotice says when a part was last rehearsed, and whether that counts.
func rehearsalNotice(s *spec.Spec, o Observation, p Part) string {
	last, not := lastRehearsal(s, o, p)
	if !rehearsable(p) {
		return ""
	}
	name, at, text := p.Engine.Title(), when(last.At), ""
	switch {
	case last.At.IsZero() || not == "" && last.CouldNot != "" && !last.Waived: // the step or the finding says it
	case last.Waived && not == "":
		text = fmt.Sprintf("somebody chose to go on with the move of %s in spite of its rehearsal of %s", name, at)
	case not == "" && len(last.Differences) > 0 && !last.Waived:
		text = fmt.Sprintf("the copy of %s was rehearsed on %s, which found what stands in the way", name, at)
	case not != "":
		text = fmt.Sprintf("the copy of %s was rehearsed on %s, which does not count any more: %s", name, at, not)
	default:
		text = fmt.Sprintf("the copy of %s was rehearsed on %s, which counts: %s made and compared in %s", name, at, rehearsedCounts(last.Compared), Took(last.Duration))
	}
	return last.Attempt.before("the copy of "+name, text)
}

func rehearsedCounts(compared map[string]int) string {
	return fmt.Sprintf("%d databases, %d tables, %d indexes, %d constraints", compared["databases"], compared["tables"], compared["indexes"], compared["constraints"])
}

func lookRehearse(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	rec, _ := engine.ReadRecord[Rehearsed](ctx, r.p.Records, RecordRehearsal(engineOf(st)))
	switch last := rec.Value; {
	case rec.Unread():
		return engine.Look{}, fmt.Errorf("read record %s: %s", RecordRehearsal(engineOf(st)), rec.Why)
	case rec.IsNot() || last.Of != st.Args["of"]:
		return engine.Look{Why: "it was not rehearsed as things are now"}, nil
	case last.CouldNot != "" && !last.Waived:
		return engine.Look{Why: last.CouldNot}, nil
	case len(last.Differences) > 0:
		return engine.Look{Why: "the last rehearsal found differences"}, nil
	default:
		return engine.Look{Settled: true, Why: "rehearsed on " + when(last.At) + ": " + rehearsedCounts(last.Compared)}, nil
	}
}

func applyRehearse(ctx context.Context, r *run, st engine.Step) error {
	p := r.part(st)
	job := r.mover(mover.OpRehearse, p)
	job.Name = "circleci-dr-rehearse-" + p.ID()
	res, err := runMover[mover.Rehearsal](ctx, r, st, job)
	if err == nil && len(res.Differences) == 0 && res.Schema != st.Args["schema"] {
		err = &mover.Error{Code: mover.CodeInconclusive, Side: "source", Err: errors.New("the schema of the source changed between the plan's look and the rehearsal")}
	}
	return outcome(ctx, r.p, p, Rehearsed{Rehearsal: res, Of: st.Args["of"]}, st.Args["schema"], err)
}

// outcome records how a rehearsal ended and gives it as an error: what kept it
// from being made, or what it found.
func outcome(ctx context.Context, p server.Providers, part Part, rec Rehearsed, schema string, cause error) error {
	kept := keepRehearsal(ctx, p, part.Engine, rec, schema, cause)
	if err := errors.Join(cause, kept); err != nil {
		return err
	}
	if len(rec.Differences) > 0 {
		return &engine.BlockedError{Findings: foundBy(part, rec.Rehearsal)}
	}
	return nil
}

// storeRehearsal changes the record of a datastore's rehearsals. One that is
// garbled is begun anew.
func storeRehearsal(ctx context.Context, p server.Providers, e mover.Engine, change func(*Rehearsed)) error {
	name := RecordRehearsal(e)
	rec, version := engine.ReadRecord[Rehearsed](ctx, p.Records, name)
	if rec.Unread() && version == "" {
		return fmt.Errorf("read record %s: %s", name, rec.Why)
	}
	next := rec.Value
	change(&next)
	_, err := engine.WriteRecord(ctx, p.Records, name, next, version)
	return err
}

func lookUnrehearsed(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	rec, _ := engine.ReadRecord[Rehearsed](ctx, r.p.Records, RecordRehearsal(engineOf(st)))
	switch {
	case rec.Unread():
		return engine.Look{}, fmt.Errorf("read record %s: %s", RecordRehearsal(engineOf(st)), rec.Why)
	case rec.Value.Waived && rec.Value.CouldNot != "" && rec.Value.Of == st.Args["of"]:
		return engine.Look{Settled: true, Why: "going on without a rehearsal was accepted"}, nil
	}
	return engine.Look{Why: "going on without a rehearsal is not on record"}, nil
}

func applyUnrehearsed(ctx context.Context, r *run, st engine.Step) error {
	name := RecordRehearsal(engineOf(st))
	rec, version := engine.ReadRecord[Rehearsed](ctx, r.p.Records, name)
	if rec.Unread() {
		return fmt.Errorf("read record %s: %s", name, rec.Why)
	}
	if rec.Value.CouldNot == "" || rec.Value.Of != st.Args["of"] {
		return errors.New("the newest rehearsal is not the one that could not be made; make a new plan")
	}
	return waive(ctx, r.p, name, rec.Value, version)
}

// waive marks a record, read at a version, as gone on in spite of.
func waive(ctx context.Context, p server.Providers, name string, rec Rehearsed, version string) error {
	rec.Waived = true
	_, err := engine.WriteRecord(ctx, p.Records, name, rec, version)
	return err
}
