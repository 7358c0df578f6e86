package reconcile

import (
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// switching are the places where the upgrade turns the old address of an engine
// into the new one, outside the datastore's own objects.
func switching(rel server.Release, pv server.Preview, e mover.Engine) []server.Place {
	var out []server.Place
	for _, obj := range pv.Objects {
		if storeOf(rel, obj) != "" || obj.Action != "update" {
			continue
		}
		for _, c := range obj.Rendered {
			if c.To != "" && slices.Contains(c.Address, e) {
				out = append(out, server.Place{Object: obj.Ref(), Field: c.Field})
			}
		}
		for _, r := range obj.Renewed {
			if slices.Contains(r.Address, e) {
				out = append(out, server.Place{Object: obj.Ref(), Field: r.Field})
			}
		}
	}
	return out
}

// foreseen adds to parts what the preview says of each: it has to be known when
// the release has been switched. Where a tool switches it, there is no preview,
// and what names the target beforehand is no sign of the switch.
func foreseen(s *spec.Spec, o Observation, parts []Part) []Part {
	for i := range parts {
		p := &parts[i]
		if o.Preview.Is() {
			p.Places = switching(o.Release.Value, o.Preview.Value, p.Engine)
			continue
		}
		_, target := p.servers(s, o.Release.Value)
		for _, w := range o.Workloads.Value {
			for _, place := range server.PlacesNaming(w, target) {
				if !slices.Contains(p.Named, place) {
					p.Named = append(p.Named, place)
				}
			}
		}
	}
	return parts
}

// servers are both sides of a part as texts may name them.
func (p Part) servers(s *spec.Spec, rel server.Release) (source, target server.NamedServer) {
	inside := server.InsideServer(rel, p.Internal)
	outside := server.NamedServer{}
	if e := p.Outside.Endpoint; e != nil {
		outside.Hosts = e.HostNames()
	}
	if d := server.Declared(s, p.Engine); d != nil && d.External != nil && d.External.At() == p.External {
		outside.Hosts = d.External.Endpoint.HostNames()
	}
	if p.To == spec.Internal {
		return outside, inside
	}
	return inside, outside
}

// notSwitched names the workloads that do not reference the target of a part,
// or says that none does; "" when all do. Where the upgrade was foreseen, the
// places decide in which it changes the address. Else a workload is not
// switched that names the source and nowhere the target, but for places that
// named the target before.
func notSwitched(ws []server.Workload, p Part, source, target server.NamedServer) string {
	var wrong []string
	found := 0
	for _, w := range ws {
		why, names := foreseenIn(w, p, source, target)
		if len(p.Places) == 0 {
			why, names = namedIn(w, p, source, target)
			if w.Kind == server.KindCronJob { // nothing of it runs before the end
				why, names = "", false
			}
		}
		if why != "" {
			wrong = append(wrong, w.Key()+" "+why)
		} else if names {
			found++
		}
	}
	switch {
	case len(wrong) > 0:
		return strings.Join(clip(wrong, 5), ", ")
	case found == 0 && len(p.Places) == 0:
		return orNone("")
	}
	return ""
}

func foreseenIn(w server.Workload, p Part, source, target server.NamedServer) (why string, names bool) {
	for _, place := range p.Places {
		text, seen := w.Texts[place]
		switch {
		case !seen && place.Object == w.Key():
			return "has no " + place.Field, false
		case seen && !target.StandsIn(text):
			return source.Says(text), false
		case seen:
			names = true
		}
	}
	return "", names
}

func namedIn(w server.Workload, p Part, source, target server.NamedServer) (why string, names bool) {
	for _, place := range server.PlacesNaming(w, target) {
		if !slices.Contains(p.Named, place) {
			return "", true
		}
	}
	if old := server.PlacesNaming(w, source); len(old) > 0 {
		return source.Says(w.Texts[old[0]]), false
	}
	return "", false
}

// namesAny tells whether a workload names the server where it did not before.
func namesAny(ws []server.Workload, p Part, s server.NamedServer) bool {
	return slices.ContainsFunc(ws, func(w server.Workload) bool {
		return slices.ContainsFunc(server.PlacesNaming(w, s), func(place server.Place) bool { return !slices.Contains(p.Named, place) })
	})
}
