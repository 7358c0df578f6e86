package reconcile

import (
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// Two truths: the release reads a side that lost its turn. Whether that side
// took writes meanwhile decides whether there are really two; who cannot tell
// is treated as if it had.

// inAndOut are both sides of an inspection by where they are; nil where a side
// was not there to look at.
func (in Inspection) inAndOut() (inside, outside *InspectedSide) {
	if in.Inwards {
		return in.Target, in.Source
	}
	return in.Source, in.Target
}

// inspected is one side of a datastore as it was inspected, nil when it was not.
func (o *Observation) inspected(e Engine, at spec.Location) *InspectedSide {
	in := o.store(e).Inspection
	if !in.Is() {
		return nil
	}
	inside, outside := in.Value.inAndOut()
	if at == spec.Internal {
		return inside
	}
	return outside
}

// wrongSide tells whether the release reads a side of which the records say
// that it lost its turn. The external server may also have been taken up by
// hand, after a move that went back: then its own mark does not say so.
func wrongSide(o Observation, e Engine) bool {
	l, live := o.store(e).Lineage, o.Release.Value.Store(e)
	if !l.Is() {
		return false
	}
	if live.Internal || l.Value.Authoritative == spec.External {
		return live.Internal && l.Value.Authoritative == spec.External
	}
	side := o.inspected(e, spec.External)
	if side == nil || side.Database == nil || side.Database.Lineage == nil {
		return false
	}
	mark := side.Database.Lineage
	return mark.State == "superseded" && mark.Epoch == l.Value.Epoch && live.At() == l.Value.Endpoint
}

// sideName names a side of a lineage for people.
func sideName(e Engine, l Lineage, at spec.Location) string {
	if at == spec.External {
		return l.Endpoint
	}
	return "the internal " + e.title()
}

// twoTruths is the release that reads the side that lost its turn. It says
// what both sides know of their last writes, and nobody chooses silently.
func twoTruths(o Observation, e Engine, l Lineage) Finding {
	rel, right := o.Release.Value, l.Authoritative
	wrong := spec.Internal
	if right == spec.Internal {
		wrong = spec.External
	}
	rightName, wrongName := sideName(e, l, right), sideName(e, l, wrong)
	what := fmt.Sprintf("the release reads %s again although %s is authoritative since %s (epoch %d)",
		wrongName, rightName, l.At.UTC().Format(time.RFC3339), l.Epoch)
	back := fmt.Sprintf("point the release at %s again: helm get values %s -n %s --revision N shows the block of a revision that did", rightName, rel.Name, rel.Namespace)
	wrongSide, rightSide := o.inspected(e, wrong), o.inspected(e, right)
	switch writtenTo(wrongSide) {
	case WrittenNone:
		return block("two-truths", e.field("location"), sourceForks, back,
			"%s; nothing is forked: %s", what, writesText(wrongName, wrongSide))
	case WrittenSome:
		forked := "FORKED"
		if writtenTo(rightSide) == WrittenNone {
			forked = "all writes since are on the wrong side"
		}
		return block("two-truths", e.field("location"), sourceForks, "stop the application, and choose a side: "+back,
			"%s; %s: %s; %s", what, forked, writesText(wrongName, wrongSide), writesText(rightName, rightSide))
	}
	return block("two-truths", e.field("location"), sourceForks, "stop the application, find out what was written, and "+back,
		"%s; it may be forked: %s; %s", what, writesText(wrongName, wrongSide), writesText(rightName, rightSide))
}

func writtenTo(side *InspectedSide) Written {
	if side == nil || side.Database == nil || side.Database.Writes == nil {
		return WrittenUnknown
	}
	return side.Database.Writes.Any
}

// writesText is what a side says of its last writes.
func writesText(name string, side *InspectedSide) string {
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
	case WrittenNone:
		return fmt.Sprintf("%s took no write since (%s)", name, w.Why)
	case WrittenSome:
		return fmt.Sprintf("%s was written to since (%s), %s", name, w.Why, lastText(*w))
	}
	return fmt.Sprintf("whether %s was written to since is unknown (%s), %s", name, w.Why, lastText(*w))
}

func lastText(w SideWrites) string {
	switch {
	case w.Last.IsZero():
		return "last write at an unknown time"
	case w.Exact:
		return fmt.Sprintf("last write at %s by its %s", w.Last.UTC().Format(time.RFC3339), w.From)
	}
	return fmt.Sprintf("last write no later than %s by its %s", w.Last.UTC().Format(time.RFC3339), w.From)
}
