package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Two truths: the release reads a side that lost its turn. Whether that side
// took writes meanwhile decides whether there are really two; who cannot tell
// is treated as if it had.

// inspected is one side of a datastore as it was inspected, nil when it was not.
func (o *Observation) inspected(e mover.Engine, at spec.Location) *mover.InspectedSide {
	in := o.store(e).Inspection
	if !in.Is() {
		return nil
	}
	inside, outside := in.Value.Sides()
	if at == spec.Internal {
		return inside
	}
	return outside
}

// contradicts tells whether the release reads another side than the one that
// is authoritative.
func contradicts(live server.ReleaseStore, l server.Lineage) bool {
	return (l.Authoritative == spec.Internal) != live.Internal
}

// wrongSide tells whether the release reads another side than the one that the
// cluster's record says is authoritative, be it by a server that lost its turn
// or by one that was taken up by hand.
func wrongSide(o Observation, e mover.Engine) bool {
	l := o.store(e).Lineage
	return l.Is() && contradicts(o.Release.Value.Store(e), l.Value)
}

// sideName names a side of a lineage for people.
func sideName(e mover.Engine, l server.Lineage, at spec.Location) string {
	if at == spec.External {
		return l.Endpoint
	}
	return "the internal " + e.Title()
}

// twoTruths is the release that reads the side that lost its turn. It says
// what both sides know of their last writes, and nobody chooses silently.
func twoTruths(o Observation, e mover.Engine, l server.Lineage) engine.Finding {
	rel, right := o.Release.Value, l.Authoritative
	wrong := spec.Internal
	if right == spec.Internal {
		wrong = spec.External
	}
	rightName, wrongName := sideName(e, l, right), sideName(e, l, wrong)
	wrongSide, rightSide := o.inspected(e, wrong), o.inspected(e, right)
	if live := rel.Store(e); wrong == spec.External && live.At() != l.Endpoint {
		wrongName, wrongSide = live.At(), nil // a server the records know nothing of
	}
	what := fmt.Sprintf("the release reads %s again although %s is authoritative since %s (epoch %d)",
		wrongName, rightName, l.At.UTC().Format(time.RFC3339), l.Epoch)
	goOn := ""
	if forkable(o, e) == "" {
		goOn = "; " + choose(e, spec.External) + " goes on with " + rightName + " and sets aside what the other side took"
		goOn += " (or internal, with " + server.FieldOf(e, "location") + ": internal in the file)"
	}
	back := fmt.Sprintf("point the release at %s again: helm get values %s -n %s --revision N shows the block of a revision that did", rightName, rel.Name, rel.Namespace)
	switch writtenTo(wrongSide) {
	case mover.WrittenNone:
		return block("two-truths", server.FieldOf(e, "location"), sourceForks, back,
			"%s; nothing is forked: %s", what, writesText(wrongName, wrongSide))
	case mover.WrittenSome:
		forked := "FORKED"
		if writtenTo(rightSide) == mover.WrittenNone {
			forked = "all writes since are on the wrong side"
		}
		return block("two-truths", server.FieldOf(e, "location"), sourceForks, "stop the application, and choose a side: "+back+goOn,
			"%s; %s: %s; %s", what, forked, writesText(wrongName, wrongSide), writesText(rightName, rightSide))
	case mover.WrittenUnknown:
	}
	return block("two-truths", server.FieldOf(e, "location"), sourceForks, "stop the application, find out what was written, and "+back+goOn,
		"%s; it may be forked: %s; %s", what, writesText(wrongName, wrongSide), writesText(rightName, rightSide))
}

// choose is how to say which side to go on with.
func choose(e mover.Engine, at spec.Location) string {
	return fmt.Sprintf("--authoritative %s --datastore %s", at, e)
}

// forkOf tells whether a part of a move leaves a side that lost its turn for
// the one that has it, because a person chose so.
func forkOf(o *Observation, e mover.Engine, to spec.Location) bool {
	if openMove(*o) {
		p := o.Move.Value.part(e)
		return p != nil && p.Fork
	}
	return o.Authoritative[e] == spec.External && to == spec.External && forkable(*o, e) == ""
}

// forkable says why a fork cannot be ended by going on with the external side,
// or "". The external server itself has to say that it has its turn.
func forkable(o Observation, e mover.Engine) string {
	l := o.store(e).Lineage
	switch {
	case !kindOf(e).setsAside:
		return "only PostgreSQL's databases can be set aside where they are"
	case !o.Release.Value.Store(e).Internal || l.Value.Authoritative != spec.External:
		return "only an internal database can be set aside"
	}
	side := o.inspected(e, spec.External)
	if side == nil || side.Database == nil {
		return "the external side could not be inspected"
	}
	if mark := side.Database.Lineage; mark == nil || mark.State != "authoritative" || mark.Epoch < l.Value.Epoch {
		return fmt.Sprintf("the external side does not say itself that it is authoritative since epoch %d", l.Value.Epoch)
	}
	return carriedUnknown(o, e, spec.Internal)
}

// carriedUnknown says that a side does not know which of its databases the move
// carried, or "". A server may be shared, and nobody else's database is closed.
func carriedUnknown(o Observation, e mover.Engine, at spec.Location) string {
	if side := o.inspected(e, at); side != nil && side.Database != nil && len(side.Database.Carried) == 0 {
		return "the " + string(at) + " side has no record of the databases that the move carried, as an older version leaves it"
	}
	return ""
}

// asideChanges are the databases of a side that are to be set aside, and in
// words those that are left alone.
func asideChanges(side *mover.InspectedSide, where, suffix string) (changes []engine.Change, left []string) {
	if side == nil || side.Database == nil {
		return nil, nil
	}
	var others []string
	for _, db := range side.Database.Databases {
		if !slices.Contains(side.Database.Carried, db.Name) {
			others = append(others, db.Name)
			continue
		}
		changes = append(changes, engine.Change{Field: "database " + db.Name + where, From: "open", To: "closed, renamed to end in " + suffix})
	}
	if len(others) > 0 {
		left = []string{"left alone, because the move did not carry them: " + strings.Join(others, ", ")}
	}
	return changes, left
}

// keptText is what was set aside, and what was not.
func keptText(kept, leftAlone []string) string {
	text := strings.Join(kept, ", ")
	if len(leftAlone) > 0 {
		text += "; left alone: " + strings.Join(leftAlone, ", ")
	}
	return text
}

// judgeFork is what stands in the way while the release reads the wrong side:
// that nobody chose, or that the choice cannot be carried out.
func judgeFork(s *spec.Spec, o Observation, e mover.Engine, d server.Declaration, l server.Lineage) []engine.Finding {
	chosen, why := o.Authoritative[e], forkable(o, e)
	switch {
	case chosen == "":
		return []engine.Finding{twoTruths(o, e, l)}
	case chosen == spec.Internal:
		why = adoptable(s, o, e)
	case d.Location != spec.External:
		why = "the spec wants it internal"
	}
	if why == "" {
		return nil
	}
	return []engine.Finding{twoTruths(o, e, l), block("fork-choice", server.FieldOf(e, "location"), sourceForks, "end the fork by hand, or give what is missing, as the page says",
		"%s cannot be carried out: %s", choose(e, chosen), why)}
}

// superfluousChoice refuses a choice that says another side than the release
// reads where there is nothing to choose.
func superfluousChoice(s *spec.Spec, o Observation) []engine.Finding {
	var out []engine.Finding
	for _, e := range engines {
		chosen := o.Authoritative[e]
		if chosen == "" || wrongSide(o, e) || server.Declared(s, e) != nil && (chosen == spec.Internal) == o.Release.Value.Store(e).Internal {
			continue
		}
		out = append(out, block("fork-choice", server.FieldOf(e, "location"), sourceForks, "leave "+choose(e, chosen)+" out; "+server.FieldOf(e, "location")+" says where the data are to be",
			"there is no fork of %s to end", e.Title()))
	}
	return out
}

// choicesMade are choices that are as chosen already.
func choicesMade(o Observation) []string {
	var out []string
	for _, e := range engines {
		if chosen := o.Authoritative[e]; chosen != "" && !openMove(o) && (chosen == spec.Internal) == o.Release.Value.Store(e).Internal && !wrongSide(o, e) {
			out = append(out, fmt.Sprintf("%s: the release reads the %s side, and nothing is forked", choose(e, chosen), chosen))
		}
	}
	return out
}

func setAsideStep(o Observation, p Part) engine.Step {
	st := engine.NewStep(ActSetAside, o.Release.Value.Store(p.Engine).FullName, "Set the internal databases aside, with what only they hold")
	st.Risk, st.Accept = engine.Destructive, AcceptDiscardInternal
	st.Reason = "both sides took writes and the external one was chosen: what the internal one took is kept, and the application will not see it"
	side := o.inspected(p.Engine, spec.Internal)
	st.Changes, st.Details = asideChanges(side, "", mover.AsideSuffix(p.Epoch))
	if side != nil && side.Database != nil {
		st.Details = append(st.Details, writesText(p.Source(), side))
	}
	st.Details = append(st.Details, writesText(p.Target(), o.inspected(p.Engine, spec.External)))
	st.Estimate = shortly
	return st
}

// shortly is how long renaming takes: no data move.
var shortly = engine.Estimate{Low: time.Second, High: 30 * time.Second}

func lookSetAside(_ context.Context, r *run, st engine.Step) (engine.Look, error) {
	if p := r.part(st); len(p.SetAside) > 0 {
		return engine.Look{Settled: true, Why: "kept as " + keptText(p.SetAside, p.LeftAlone)}, nil
	}
	return engine.Look{Why: "the databases are under their own names"}, nil
}

func applySetAside(ctx context.Context, r *run, st engine.Step) error {
	p := r.part(st)
	if r.move.Phase != MoveCommitted {
		return errors.New("set the internal databases aside: the move is not committed")
	}
	res, err := runMover[mover.SetAsideResult](ctx, r, st, r.mover(mover.OpSetAside, p))
	if err != nil {
		return err
	}
	if len(res.Databases) == 0 {
		return fmt.Errorf("set the internal databases aside: %s has none that the move carried", p.Source())
	}
	return r.savePart(ctx, p.Engine, func(p *Part) { p.SetAside, p.LeftAlone = res.Databases, res.LeftAlone })
}

func writtenTo(side *mover.InspectedSide) mover.Written {
	if side == nil || side.Database == nil || side.Database.Writes == nil {
		return mover.WrittenUnknown
	}
	return side.Database.Writes.Any
}

// writesText is what a side says of its last writes.
func writesText(name string, side *mover.InspectedSide) string {
	switch {
	case side == nil:
		return name + " was not inspected, so its last write is unknown"
	case side.Database == nil:
		return fmt.Sprintf("%s could not be inspected, so its last write is unknown (%s)", name, side.Error)
	case side.Database.Writes == nil:
		return name + " has no mark of ours, so its last write is unknown"
	}
	w := side.Database.Writes
	switch w.Any {
	case mover.WrittenNone:
		return fmt.Sprintf("%s took no write since (%s)", name, w.Why)
	case mover.WrittenSome:
		return fmt.Sprintf("%s was written to since (%s), %s", name, w.Why, lastText(*w))
	case mover.WrittenUnknown:
	}
	return fmt.Sprintf("whether %s was written to since is unknown (%s), %s", name, w.Why, lastText(*w))
}

func lastText(w mover.SideWrites) string {
	switch {
	case w.Last.IsZero():
		return "last write at an unknown time"
	case w.Exact:
		return fmt.Sprintf("last write at %s by its %s", w.Last.UTC().Format(time.RFC3339), w.From)
	}
	return fmt.Sprintf("last write no later than %s by its %s", w.Last.UTC().Format(time.RFC3339), w.From)
}
