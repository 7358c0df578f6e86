package reconcile

import (
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// renewedFindings names credentials that the upgrade would fill with new
// random content. Any upgrade of such a chart does, and whoever has the old one
// is not told: a server that was initialised with it, a session, a peer. Where
// that is a database server of the release, the application could not log in.
func renewedFindings(rel server.Release, pv server.Preview, parts []Part) []engine.Finding {
	var out []engine.Finding
	for _, obj := range pv.Objects {
		fields := credentialsOf(obj)
		if len(fields) == 0 {
			continue
		}
		list := some(fields, 4)
		switch e := storeOf(rel, obj); {
		case e == "":
			what, brief := sentences("each upgrade of this chart gives %s new random content (%s), and a move makes two; what has the old content may stop working", obj.Ref(), list)
			out = append(out, engine.Finding{ID: "secret-renewed", Field: "server.chart", Source: sourceDocs, What: what, Brief: brief,
				Fix: "set it in the release's values, or let the chart look up the live object and keep it; else see that whatever uses it takes the new content"})
		case staysInside(rel, parts, e):
			out = append(out, block("secret-renewed", "server.chart", sourceDocs,
				"set the password in the release's values, or let the chart look up the live Secret and keep it",
				"the upgrade would give %s new random content (%s), and the internal %s keeps the password it has: the application could not log in", obj.Ref(), list, e.Title()))
		}
	}
	return out
}

func credentialsOf(obj server.ObjectPreview) []string {
	var out []string
	for _, r := range obj.Renewed {
		if r.Credential {
			out = append(out, r.Field)
		}
	}
	return out
}

// storeOf is the datastore whose object it is, "" for any other object.
func storeOf(rel server.Release, obj server.ObjectPreview) mover.Engine {
	for _, e := range engines {
		if ofEngineStore(rel, obj, e) {
			return e
		}
	}
	return ""
}

// staysInside tells whether the release has the engine's server inside once the
// parts have moved.
func staysInside(rel server.Release, parts []Part, e mover.Engine) bool {
	for _, p := range parts {
		if p.Engine == e {
			return p.To == spec.Internal
		}
	}
	return rel.Store(e).Internal
}

// renewedLines says which objects any upgrade fills anew, for the plan.
func renewedLines(pv server.Preview) []string {
	var filled, made []string
	restarts := false
	for _, obj := range pv.Objects {
		switch {
		case obj.EveryTime && obj.Action == "create":
			made = append(made, obj.Ref())
		case len(obj.Renewed) > 0:
			var fields []string
			for _, r := range obj.Renewed {
				fields = append(fields, shortField(r.Field))
				restarts = restarts || strings.HasPrefix(r.Field, "spec.template.")
			}
			filled = append(filled, obj.Ref()+" ("+strings.Join(slices.Compact(fields), ", ")+")")
		}
	}
	var out []string
	if len(filled) > 0 {
		out = append(out, "gets new content with any upgrade: "+strings.Join(filled, ", "))
	}
	if restarts {
		out = append(out, "pods of those start once more when the release is settled, as with any upgrade of this chart")
	}
	if len(made) > 0 {
		out = append(out, "is made anew with any upgrade, under another name: "+strings.Join(made, ", "))
	}
	return out
}

// shortField is the last part of a field's path.
func shortField(path string) string {
	if i := strings.LastIndex(path, `["`); i >= 0 && strings.HasSuffix(path, `"]`) {
		return path[i+2 : len(path)-2]
	}
	return path[strings.LastIndex(path, ".")+1:]
}
