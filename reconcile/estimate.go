package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The rates a copy is assumed to run at before one was measured on this
// installation, in bytes a second: the slow end is a throttled network disk,
// the fast end two free cores on one node (docs/performance.md).
const (
	slowRate  = 12 << 20
	fastRate  = 60 << 20
	proveGain = 3 // re-reading the target is about this much faster than copying
)

// sizes is what the estimates of a copy and its proof rest on.
type sizes struct {
	bytes  int64
	tables int
	noun   string // tables or collections
}

// sizesOf is what one part's copy and proof have to carry, as its source was
// last seen.
func sizesOf(o Observation, p Part) sizes {
	z := sizes{noun: kindOf(p.Engine).words.tables}
	if in := o.store(p.Engine).Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		for _, db := range in.Value.Source.Database.Databases {
			z.bytes += db.Bytes
			z.tables += db.Tables
		}
	}
	return z
}

// perTable is the catalog work that a table costs whatever it holds.
const perTable = 8 * time.Millisecond

// copying and proving are the estimates as long as nothing was measured here.
func (z sizes) copying() engine.Estimate {
	catalog := time.Duration(z.tables) * perTable
	return engine.Estimate{
		Low: z.at(fastRate) + 3*time.Second + catalog, High: z.at(slowRate) + 15*time.Second + 3*catalog,
		Assumption: fmt.Sprintf("%s at %s/s to %s/s", z, mover.Bytes(slowRate), mover.Bytes(fastRate)),
	}
}

func (z sizes) proving() engine.Estimate {
	c := z.copying()
	return engine.Estimate{Low: c.Low / proveGain, High: c.High / proveGain, Assumption: "re-reads the target only"}
}

func (z sizes) at(rate int64) time.Duration {
	return time.Duration(float64(z.bytes) / float64(rate) * float64(time.Second))
}

// String says the sizes in words.
func (z sizes) String() string {
	return fmt.Sprintf("%s in %d %s", mover.Bytes(z.bytes), z.tables, z.noun)
}

// timed puts what was measured here in the place of the constants that steps
// come with, and says of each estimate which of the two it is.
func timed(s *spec.Spec, o Observation, steps []engine.Step, parts []Part) []engine.Step {
	for i := range steps {
		st := &steps[i]
		var z sizes
		if e := engineOf(*st); e != "" {
			z = sizesOf(o, Part{Engine: e})
		}
		m, other, ok := tookBefore(o.Measured.Value, *st, directionOf(parts))
		if d, rehearsed := measuredInDress(s, o, *st, parts); rehearsed && (!ok || other || d.At.After(m.At)) {
			m, other, ok = d, false, true
		}
		switch {
		case ok:
			st.Estimate = estimateFrom(st.Estimate, m, z, other)
			if tooQuick(m.Took) && z.bytes == 0 {
				st.Estimate.Assumption = ""
			}
		case st.Estimate.Assumption == "": // too quick to speak of
		case o.Measured.Unread():
			st.Estimate.Assumption += "; what was measured here could not be read"
		default:
			st.Estimate.Assumption += "; not yet measured here"
		}
	}
	return steps
}

// tooQuick tells a time that needs no word.
func tooQuick(took time.Duration) bool { return took.Seconds() < 5 }

// How far off an estimate may be that rests on a measurement: of the same
// work, and of work in the other direction or on another amount of data.
const (
	spread     = 1.5
	wideSpread = 2.5
)

// estimateFrom is the estimate that a measurement gives. A step that may find its work
// done keeps nothing as its low end.
func estimateFrom(e engine.Estimate, m engine.Measurement, z sizes, other bool) engine.Estimate {
	wide, base := spread, m.Took
	text := fmt.Sprintf("measured here on %s: %s", m.At.UTC().Format(time.DateOnly), Took(m.Took))
	if other {
		text = fmt.Sprintf("measured here on %s the other way round: %s", m.At.UTC().Format(time.DateOnly), Took(m.Took))
	}
	if m.Rehearsed {
		text = fmt.Sprintf("measured by the rehearsal with the rows of %s, with the application up: %s", m.At.UTC().Format(time.DateOnly), Took(m.Moving))
	}
	if m.Moving > 0 && m.Bytes > 0 && z.bytes > 0 {
		base = scaled(m, z)
		e.Assumption = z.String()
		text += fmt.Sprintf(" for %s", sizes{m.Bytes, m.Tables, z.noun})
		other = other || z.bytes > 2*m.Bytes || m.Bytes > 2*z.bytes
	}
	if other {
		wide = wideSpread
	}
	out := engine.Estimate{Low: scale(base, 1/wide), High: max(scale(base, wide), time.Second)}
	if e.Low == 0 {
		out.Low = 0
	}
	if e.DownHigh > 0 {
		out = out.Down()
	}
	if !m.Rehearsed { // of which nothing was announced
		text += " (announced " + Span(m.Low, m.High) + ")"
	}
	out.Assumption = joinNonEmpty("; ", e.Assumption, text)
	return out
}

// scaled is how long the same work takes with other sizes: what is not the
// data's stays, catalog work grows with the tables, the rest with the bytes.
func scaled(m engine.Measurement, z sizes) time.Duration {
	catalog := min(time.Duration(m.Tables)*perTable, m.Moving/2)
	out := m.Took - m.Moving + scale(m.Moving-catalog, float64(z.bytes)/float64(m.Bytes))
	if m.Tables > 0 {
		out += scale(catalog, float64(z.tables)/float64(m.Tables))
	}
	return out
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

// lastDowntime is the downtime of the newest move in a direction beside the
// announced one, "" where none was measured.
func lastDowntime(m engine.Measured, direction string) string {
	d, ok := m.Downtime[direction]
	if !ok || !d.Good() {
		return ""
	}
	return fmt.Sprintf("the move %s on %s stopped the application for %s, announced were %s",
		direction, d.At.UTC().Format(time.DateOnly), Took(d.Took), Span(d.Low, d.High))
}

// total adds up a plan's steps; of those that run side by side the longest
// counts.
func total(steps []engine.Step) engine.Estimate {
	var t engine.Estimate
	for len(steps) > 0 {
		n := engine.GroupSize(steps, beside)
		var longest engine.Estimate
		for _, s := range steps[:n] {
			e := s.Estimate
			longest.Low, longest.High = max(longest.Low, e.Low), max(longest.High, e.High)
			longest.DownLow, longest.DownHigh = max(longest.DownLow, e.DownLow), max(longest.DownHigh, e.DownHigh)
			if s.Action == ActCopy {
				t.Assumption = joinNonEmpty("; ", t.Assumption, e.Assumption)
			}
		}
		t.Low, t.High = t.Low+longest.Low, t.High+longest.High
		t.DownLow, t.DownHigh = t.DownLow+longest.DownLow, t.DownHigh+longest.DownHigh
		steps = steps[n:]
	}
	return t
}

func joinNonEmpty(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}
