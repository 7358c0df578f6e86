package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rates a copy is assumed to run at before one was measured on this
// installation, in bytes a second: the slow end is a throttled network disk,
// the fast end two free cores on one node (docs/performance.md).
const (
	slowRate  = 12 << 20
	fastRate  = 60 << 20
	proveGain = 3 // re-reading the target is about this much faster than copying
)

// sizes is what the estimates rest on.
type sizes struct {
	bytes  int64
	tables int
	noun   string // tables or collections
	// rate is measured on a former copy of this installation, 0 without one.
	rate float64
}

// measured is what one part's copy and proof have to carry, as its source was
// last seen.
func measured(o Observation, p Part) sizes {
	z := sizes{noun: "tables"}
	if p.Engine == MongoDB {
		z.noun = "collections"
	}
	if in := o.store(p.Engine).Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		for _, db := range in.Value.Source.Database.Databases {
			z.bytes += db.Bytes
			z.tables += db.Tables
		}
	}
	if m := o.Move; m.Is() {
		if was := m.Value.part(p.Engine); was != nil && was.Copy != nil && was.Copy.Duration > 0 {
			z.rate = float64(was.Copy.Bytes) / was.Copy.Duration.Seconds()
		}
	}
	return z
}

func (z sizes) copying() Estimate {
	e := Estimate{Low: z.at(fastRate) + 3*time.Second, High: z.at(slowRate) + 15*time.Second}
	if z.rate > 0 {
		base := time.Duration(float64(z.bytes) / z.rate * float64(time.Second))
		e.Low, e.High = base*2/3+2*time.Second, base*3/2+10*time.Second
	}
	// A table costs its catalog work whatever it holds.
	perTable := time.Duration(z.tables) * 8 * time.Millisecond
	e.Low, e.High = e.Low+perTable, e.High+3*perTable
	e.Assumption = z.String()
	return e
}

func (z sizes) proving() Estimate {
	c := z.copying()
	return Estimate{Low: c.Low / proveGain, High: c.High / proveGain, Assumption: "re-reads the target only"}
}

func (z sizes) at(rate int64) time.Duration {
	return time.Duration(float64(z.bytes) / float64(rate) * float64(time.Second))
}

// String says in words what an estimate assumes.
func (z sizes) String() string {
	if z.rate > 0 {
		return fmt.Sprintf("%s in %d %s at the %s/s measured here before", Bytes(z.bytes), z.tables, z.noun, Bytes(int64(z.rate)))
	}
	return fmt.Sprintf("%s in %d %s at %s/s to %s/s, not yet measured here", Bytes(z.bytes), z.tables, z.noun, Bytes(slowRate), Bytes(fastRate))
}

// down marks the whole of an estimate as downtime.
func (e Estimate) down() Estimate {
	e.DownLow, e.DownHigh = e.Low, e.High
	return e
}

// total adds up a plan's steps; of those that run side by side the longest
// counts.
func total(steps []Step) Estimate {
	var t Estimate
	for len(steps) > 0 {
		n := beside(steps)
		var longest Estimate
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

// Bytes prints a size the way people say it: binary steps, one decimal.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, exp := float64(n)/unit, 0
	for value >= unit && exp < 4 {
		value /= unit
		exp++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[exp])
}
