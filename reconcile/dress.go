package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// A dress rehearsal is a rehearsal with the rows. It finds what only rows show,
// and measures what the copy of a move will take. A plan recommends it and never
// asks for it: it reads and writes everything once, with the application up.

// RehearseOptions say what is rehearsed, and within what.
type RehearseOptions struct {
	WithData bool
	// Time and XminAge are limits of one with data, see RehearsalLimits.
	Time    time.Duration
	XminAge int64
}

// limits are those of a rehearsal, with the disks as far as somebody tells how big
// they are: the file for the target, the cluster for the source. Of the source's it
// says why nobody does.
func (opt RehearseOptions) limits(s *spec.Spec, o Observation, e mover.Engine) (l *mover.RehearsalLimits, unsized string) {
	l = &mover.RehearsalLimits{Time: opt.Time, XminAge: opt.XminAge}
	if d := server.Declared(s, e); d != nil && d.External != nil {
		l.TargetDisk = int64(d.External.DiskGiB) << 30
	}
	l.SourceDisk, unsized = diskOf(o.store(e).Internal.Value.Volumes, sizesOf(o, Part{Engine: e}).bytes)
	return l, unsized
}

// diskOf is the size of the disk under a datastore's volumes, or why it is not
// known. What a claim says is the disk's size only where it was made a disk of its
// own, and not where more lies on it already.
func diskOf(volumes []server.Volume, used int64) (size int64, why string) {
	if len(volumes) != 1 {
		return 0, fmt.Sprintf("it has %d volumes", len(volumes))
	}
	v := volumes[0]
	claim := fmt.Sprintf("claim %s says %s", v.Claim, mover.Bytes(v.Bytes))
	switch {
	case v.Bytes == 0:
		return 0, "claim " + v.Claim + " gives no size"
	case used > v.Bytes:
		return 0, fmt.Sprintf("%s, and the databases alone have %s", claim, mover.Bytes(used))
	case v.By == "":
		return 0, claim + ", and whether its volume is a disk of that size could not be found out"
	case !v.Disk:
		return 0, claim + ", but " + v.By + " does not enforce that size"
	}
	return v.Bytes, ""
}

// lastDress is the newest rehearsal of a part with its rows, and why it does not
// count; empty when it does.
func lastDress(s *spec.Spec, o Observation, p Part) (r Rehearsed, not string) {
	rec := o.store(p.Engine).Rehearsal
	switch {
	case rec.Unread():
		return Rehearsed{}, recordUnread(rec)
	case rec.Value.Dress == nil:
		return Rehearsed{}, "it was not rehearsed with its rows yet"
	case rec.Value.Dress.At.IsZero():
		return *rec.Value.Dress, "it was not rehearsed with its rows yet"
	}
	return *rec.Value.Dress, changedSince(s, o, p, *rec.Value.Dress)
}

// dressFindings are what the newest rehearsal with rows found, as long as it
// counts.
func dressFindings(s *spec.Spec, o Observation, p Part) []engine.Finding {
	last, not := lastDress(s, o, p)
	if !rehearsable(p) || not != "" {
		return nil
	}
	found := foundBy(p, last.Rehearsal)
	for i := range found {
		found[i].Blocks = found[i].Blocks && !last.Waived
	}
	return found
}

// dressFinding is one difference of a rehearsal with rows as a finding. A limit
// that was met says nothing of the move, but for a target's disk.
func dressFinding(p Part, r mover.Rehearsal, d mover.Difference) engine.Finding {
	if d.Kind == mover.KindLimit && d.Object != mover.LimitTargetDisk {
		return engine.Finding{ID: "dress-rehearsal-limit", Field: server.FieldOf(p.Engine, "external"), Source: sourceRehearsal, Fix: d.Fix,
			What: fmt.Sprintf("the rehearsal of %s with the rows met a limit (%s): %s", when(r.At), d.Object, d.What)}
	}
	return block("dress-rehearsal", server.FieldOf(p.Engine, "external"), sourceRehearsal,
		cmp.Or(d.Fix, "change the source or the target, then run circleci-dr rehearse --with-data")+"; rehearse --with-data --waive goes on in spite of it",
		"the rehearsal of %s with the rows found: %s", when(r.At), d)
}

// dressNotice says when a part was last rehearsed with its rows and whether that
// counts, and recommends it where it was not.
func dressNotice(s *spec.Spec, o Observation, p Part) string {
	last, not := lastDress(s, o, p)
	if !rehearsable(p) {
		return ""
	}
	name, at, text := p.Engine.Title(), when(last.At), ""
	switch {
	case last.At.IsZero() && o.store(p.Engine).Rehearsal.Unread():
		text = fmt.Sprintf("whether the copy of %s was rehearsed with its rows is not known: %s", name, not)
	case last.At.IsZero():
		text = fmt.Sprintf("recommended before the move of %s: %s", name, dressLoad(s, o, p))
	case not != "":
		text = fmt.Sprintf("the copy of %s was rehearsed with its rows on %s, which does not count any more: %s; %s", name, at, not, dressLoad(s, o, p))
	case last.CouldNot != "":
		text = fmt.Sprintf("the rehearsal of %s with its rows on %s could not be made: %s", name, at, last.CouldNot)
	case last.Waived:
		text = fmt.Sprintf("somebody chose to go on with the move of %s in spite of its rehearsal with its rows on %s", name, at)
	case last.Ended != "":
		text = fmt.Sprintf("the rehearsal of %s with its rows on %s was ended by a limit (%s)", name, at, last.Ended)
	case len(last.Differences) > 0 || last.Data == nil:
		text = fmt.Sprintf("the copy of %s was rehearsed with its rows on %s, which found what stands in the way", name, at)
	default:
		text = fmt.Sprintf("the copy of %s was rehearsed with its rows on %s, which counts: %s in %d tables copied in %s and compared in %s",
			name, at, mover.Bytes(last.Data.Bytes), last.Data.Tables, Took(last.Data.Copy), Took(last.Data.Compare))
	}
	return last.Attempt.before("the copy of "+name+" with its rows", text)
}

// dressLoad says what a rehearsal with rows is for, what it asks of both servers,
// and for how long.
func dressLoad(s *spec.Spec, o Observation, p Part) string {
	steps := []engine.Step{ofEngine(p.Engine, copyStep(o, p)), ofEngine(p.Engine, proveStep(o, p))}
	t := total(timed(s, o, steps, []Part{p}))
	return fmt.Sprintf("circleci-dr rehearse --with-data finds rows that the target refuses and measures what the copy takes, with the application up. It takes %s for %s and reads "+
		"every row once; meanwhile vacuum removes nothing on the source, and the rows are on the target and reach its backups", About(t.Low, t.High), sizesOf(o, p))
}

// podStart is what the start of a mover's pod adds to what it measured itself.
const podStart = 5 * time.Second

// measuredInDress is what the rehearsal with rows says of how long the copy of a
// move out and its proof will take, as long as versions, target and role are the
// same. The data may have grown since.
func measuredInDress(s *spec.Spec, o Observation, st engine.Step, parts []Part) (m engine.Measurement, ok bool) {
	i := slices.IndexFunc(parts, func(p Part) bool { return p.Engine == engineOf(st) && rehearsable(p) })
	if i < 0 {
		return m, false
	}
	last, _ := lastDress(s, o, parts[i])
	if last.Data == nil || last.Of != restsOn(s, o, parts[i]) {
		return m, false
	}
	switch st.Action {
	case ActCopy:
		m.Moving = last.Data.Copy
	case ActProve:
		m.Moving = last.Data.Compare
	default:
		return m, false
	}
	m.At, m.Took, m.Bytes, m.Tables, m.Rehearsed = last.At, m.Moving+podStart, last.Bytes, last.Tables, true
	return m, m.Moving > 0 && m.Good()
}
