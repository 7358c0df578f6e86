package reconcile

import (
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// preflightAddresses judges before the outage what will name the target after
// it, and what will go on naming the source.
func preflightAddresses(s *spec.Spec, o Observation, parts []Part) []engine.Finding {
	var out []engine.Finding
	rel := o.Release.Value
	for _, p := range parts {
		source, _ := p.servers(s, rel)
		if handsOff(s, o) != "" {
			if !slices.ContainsFunc(o.Workloads.Value, func(w server.Workload) bool { return len(server.PlacesNaming(w, source)) > 0 }) {
				out = append(out, block("switch-unseen", server.FieldOf(p.Engine, "location"), sourceHandOff,
					"see that the release's workloads name "+p.Engine.Title()+" in their pod templates or in ConfigMaps or Secrets that this role may read",
					"no workload is seen to name %s, so it could not be seen when it is switched", p.Source()))
			}
			continue
		}
		if !o.Preview.Is() || !o.Preview.Value.Faithful {
			continue // refused for that
		}
		places := switching(rel, o.Preview.Value, p.Engine)
		if len(places) == 0 {
			out = append(out, block("switch-unseen", "server.chart", docsOf(p.Engine),
				"look where the application has the address of its "+p.Engine.Title()+" from; it has to come from the release's values",
				"the upgrade would change the address of %s in no object of the release", p.Engine.Title()))
			continue
		}
		out = append(out, addressesThatStay(o, p, source, places)...)
	}
	return out
}

// addressesThatStay names the places that say the source's address and would go on
// saying it. It blocks where they are all that a workload has.
func addressesThatStay(o Observation, p Part, source server.NamedServer, places []server.Place) []engine.Finding {
	var left, stuck []string
	changed := changing(o.Preview.Value)
	for _, w := range o.Workloads.Value {
		switches := slices.ContainsFunc(places, func(place server.Place) bool { _, seen := w.Texts[place]; return seen })
		for _, place := range server.PlacesNaming(w, source) {
			text := place.String()
			switch {
			case changed[place]:
			case !switches && w.Kind != server.KindCronJob && source.IsMeantBy(w.Texts[place]):
				stuck = append(stuck, text)
			default:
				left = append(left, text)
			}
		}
	}
	slices.Sort(left)
	slices.Sort(stuck)
	left, stuck = slices.Compact(left), slices.Compact(stuck)
	const fix = "let the chart take it from the release's values, as the rest"
	var out []engine.Finding
	if len(stuck) > 0 {
		out = append(out, block("address-stays", "server.chart", docsOf(p.Engine), fix,
			"workloads would go on using %s after the move, and nothing in them names the new address: %s", p.Source(), someSentences(stuck, 8)))
	}
	if len(left) > 0 {
		what, brief := sentences("what may be the address of %s says the same after the move: %s", p.Source(), someSentences(left, 8))
		out = append(out, engine.Finding{ID: "address-stays", Field: "server.chart", Source: docsOf(p.Engine), What: what, Brief: brief,
			Fix: "look whether it is; if so, " + fix + ", or change it by hand with the move"})
	}
	return out
}

// changing are the places that the upgrade changes at all.
func changing(pv server.Preview) map[server.Place]bool {
	out := map[server.Place]bool{}
	for _, obj := range pv.Objects {
		for _, c := range obj.Rendered {
			out[server.Place{Object: obj.Ref(), Field: c.Field}] = true
		}
		for _, r := range obj.Renewed {
			out[server.Place{Object: obj.Ref(), Field: r.Field}] = true
		}
	}
	return out
}
