package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

const (
	valuesField  = "server.values"
	sourceValues = "docs/values-files.md"
	writeValues  = "circleci-dr values --write"
)

func observeValues(ctx context.Context, s *spec.Spec, p server.Providers) engine.Observed[server.DeclaredValues] {
	switch {
	case s.Server == nil || len(s.Server.Values) == 0:
		return engine.NotThere[server.DeclaredValues]()
	case p.Values == nil:
		return engine.CouldNot[server.DeclaredValues](errors.New("they are out of reach of this process"))
	}
	return p.Values.Values(ctx)
}

// unreadValues says why files that are declared tell nothing.
func unreadValues(s *spec.Spec, o Observation) []string {
	if len(s.Server.Values) > 0 && o.Values.Unread() {
		return []string{"server.values: " + cmp.Or(o.Values.Why, "they were not looked at")}
	}
	return nil
}

// settled tells whether the release uses a datastore where the spec says.
func settled(s *spec.Spec, rel server.Release, e mover.Engine) bool {
	d := server.Declared(s, e)
	switch {
	case d == nil:
		return false
	case d.Location == spec.External:
		return d.External != nil && d.External.IsReadBy(rel.Store(e))
	}
	return rel.Store(e).Internal
}

// belongsThere tells whether a datastore is where the spec says, or was until
// somebody pointed the release back, perhaps with these very files.
func belongsThere(s *spec.Spec, o Observation, e mover.Engine) bool {
	if settled(s, o.Release.Value, e) {
		return true
	}
	d, l := server.Declared(s, e), o.store(e).Lineage
	return d != nil && !openMove(o) && l.Is() && l.Value.Authoritative == d.Location
}

// valuesDeviations is where the files disagree with the spec. On a release that
// is where the spec says, its own Secret is the one to name.
func valuesDeviations(s *spec.Spec, o Observation, e mover.Engine) []server.Deviation {
	rel := o.Release.Value
	live := rel.Store(e)
	untrusted := trustDeviations(s, o, e)
	if !settled(s, rel, e) || live.Internal {
		return append(server.Deviations(server.WantedValues(s, e, rel.ChartVersion, "", o.Values.Value), o.Values.Value), untrusted...)
	}
	settings := server.WantedValues(s, e, rel.ChartVersion, live.ExistingSecret, o.Values.Value)
	if live.ExistingSecret == "" { // an adopted one, with its password in the values
		settings = slices.DeleteFunc(settings, func(st server.Setting) bool { return strings.HasSuffix(st.Path, ".existingSecret") })
	}
	return append(server.Deviations(settings, o.Values.Value), untrusted...)
}

// fixValues is the command that brings the files into line. It sees no release,
// so it is told the Secret where it would take another one.
func fixValues(s *spec.Spec, o Observation, e mover.Engine, devs []server.Deviation) string {
	byItself := server.WantedValues(s, e, o.Release.Value.ChartVersion, "", o.Values.Value)
	if i := slices.IndexFunc(devs, func(d server.Deviation) bool { return d.Path == server.TrustPath }); i >= 0 && !writesTrust(s, o, e, devs[i]) {
		rel, rest := o.Release.Value, slices.Delete(slices.Clone(devs), i, i+1)
		fix := fmt.Sprintf("helm get values %s -n %s after the move, and copy its %s into the files", rel.Name, rel.Namespace, server.TrustPath)
		if len(rest) > 0 {
			fix += ", and " + fixValues(s, o, e, rest)
		}
		return fix
	}
	for _, d := range devs {
		if d.Path == string(e)+".auth.existingSecret" && !slices.Contains(byItself, d.Setting) {
			return fmt.Sprintf("%s --%s-secret %v", writeValues, e, d.Value)
		}
	}
	return writeValues
}

// describeDeviations names the lines that say something else, and the location
// when it is left to the chart; of other values that are missing it gives the
// number.
func describeDeviations(devs []server.Deviation) string {
	var out []string
	missing := 0
	for _, d := range devs {
		switch {
		case len(d.Lacks) > 0:
			at := ""
			if d.Fact != nil {
				at = " (" + d.Fact.Where() + ")"
			}
			out = append(out, d.Path+at+" lacks "+strings.Join(d.Lacks, ", "))
		case d.Fact != nil:
			out = append(out, fmt.Sprintf("%s is %s (%s)", d.Path, cmp.Or(server.ValueText(d.Fact.Value), `""`), d.Fact.Where()))
		case strings.HasSuffix(d.Path, ".internal"):
			out = append(out, fmt.Sprintf("%s is not set, which means %v", d.Path, d.Default))
		default:
			missing++
		}
	}
	switch {
	case missing > 0 && len(out) > 0:
		out = append(out, strconv.Itoa(missing)+" more not set")
	case missing == 1:
		out = append(out, devs[0].Path+" is not set")
	case missing > 0:
		out = append(out, fmt.Sprintf("%d values are not set, first %s", missing, devs[0].Path))
	}
	return strings.Join(out, ", ")
}

// trap is what a plain helm upgrade with the files would do.
func trap(s *spec.Spec, e mover.Engine, devs []server.Deviation) string {
	if len(devs) == 1 && devs[0].Path == server.TrustPath {
		return "would leave the application without an authority that vouches for " + e.Title()
	}
	for _, d := range devs {
		switch {
		case d.Path != string(e)+".internal":
		case server.Declared(s, e).Location == spec.External:
			return "would bring the internal " + e.Title() + " back, empty or old, and point the application at it"
		default:
			return "would point the application at another " + e.Title() + " than the internal one"
		}
	}
	return "would change the application's database settings"
}

// valuesFindings are notes for a plan; a file that is wrong does not stop a
// move, which uses the release's own values.
func valuesFindings(s *spec.Spec, o Observation) []engine.Finding {
	if missing := unreadValues(s, o); len(missing) > 0 {
		return valuesNote("values-unread", "look yourself whether they would undo a move", "the values files could not be read (%s)", missing[0])
	}
	if !o.Values.Is() {
		return nil
	}
	var out []engine.Finding
	for _, e := range engines {
		if server.Declared(s, e) != nil {
			out = append(out, valuesFindingsOf(s, o, e)...)
		}
	}
	return out
}

func valuesNote(id, fix, what string, args ...any) []engine.Finding {
	return []engine.Finding{{ID: id, Field: valuesField, Source: sourceValues, Fix: fix, What: fmt.Sprintf(what, args...)}}
}

func valuesFindingsOf(s *spec.Spec, o Observation, e mover.Engine) []engine.Finding {
	devs := valuesDeviations(s, o, e)
	switch there := belongsThere(s, o, e); {
	case len(devs) == 0 && there:
		return nil
	case len(devs) == 0:
		return valuesNote("values-ahead", "upgrade nothing before the move is over",
			"the values files already say where %s is to live: a plain helm upgrade with them would point the application there before its data is", e.Title())
	case there:
		return valuesNote("values-trap", "run "+fixValues(s, o, e, devs), "a plain helm upgrade with the values files %s: %s", trap(s, e, devs), describeDeviations(devs))
	}
	return valuesNote("values-change", "run "+fixValues(s, o, e, devs)+" once the move is over",
		"the values files have to change with the move, or the next plain helm upgrade undoes it: %s", describeDeviations(devs))
}

// driftValues reports files that would undo what the release and the spec
// agree on. While a move stands open they are expected to lag behind.
func driftValues(s *spec.Spec, o Observation, e mover.Engine) []DriftItem {
	if openMove(o) || !o.Values.Is() || !belongsThere(s, o, e) {
		return nil
	}
	devs := valuesDeviations(s, o, e)
	if len(devs) == 0 {
		return nil
	}
	object := "values files"
	for _, d := range devs { // the first line to look at
		if d.Fact != nil {
			object = d.Fact.Where()
			break
		}
	}
	return []DriftItem{{Class: "changed", Object: object, Fix: "run " + fixValues(s, o, e, devs),
		What: fmt.Sprintf("a plain helm upgrade with the values files %s: %s", trap(s, e, devs), describeDeviations(devs))}}
}

// preflightValues holds the files against the release before a move: files
// that name neither the server the release uses nor the one it is to use are
// not this release's, or somebody's unfinished change.
func preflightValues(s *spec.Spec, o Observation, e mover.Engine) []engine.Finding {
	if !o.Values.Is() {
		return nil
	}
	files := o.Values.Value
	wanted, _ := server.ValuesTree(server.DatastoreValues(s, e, o.Release.Value.ChartVersion))[string(e)].(map[string]any)
	var elsewhere, other []string
	for _, v := range server.ReleasedValues(o.Release.Value.Store(e), e) {
		f, ok := files.Fact(string(e) + "." + v.Name)
		if !ok || server.SameValue(f.Value, v.Value) || server.SameValue(f.Value, server.ValueAt(wanted, strings.Split(v.Name, ".")...)) {
			continue
		}
		text := fmt.Sprintf("%s is %s in %s and %s in the release", f.Path, server.ValueText(f.Value), f.Where(), cmp.Or(server.ValueText(v.Value), `""`))
		if v.Location {
			elsewhere = append(elsewhere, text)
		} else {
			other = append(other, text)
		}
	}
	if len(elsewhere) > 0 {
		return []engine.Finding{block("values-differ", valuesField, sourceValues, "declare the files this release is upgraded with, as they were last used",
			"the values files name another %s than the release and the spec: %s", e.Title(), strings.Join(append(elsewhere, other...), ", "))}
	}
	if len(other) > 0 {
		return []engine.Finding{{ID: "values-differ", Field: valuesField, Source: sourceValues, Fix: "find out who changed the release without them, or them without the release",
			What: "the values files and the release do not agree: " + strings.Join(other, ", ")}}
	}
	return nil
}
