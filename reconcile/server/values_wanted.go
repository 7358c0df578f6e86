package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Setting is one Helm value that the spec decides.
type Setting struct {
	// Path is the value's path, such as postgresql.auth.username.
	Path string `json:"path"`
	// Value is a bool, an int, a string, or a list of strings.
	Value any `json:"value"`
	// Default is what the chart takes where nobody sets the value, nil where
	// that is no answer (values table of Server 4.x).
	Default any `json:"-"`
	// Field is the spec's path it comes from.
	Field string `json:"field"`
}

// DatastoreValues is the block of Helm values by which a release of a chart
// version uses the engine where the spec says it lives. The switch sets it and
// the user's own files must carry it: both take it from here. A missing
// version means the newest. Nil means that the spec does not say.
func DatastoreValues(s *spec.Spec, datastore mover.Engine, version string) []Setting {
	return KindOf(datastore).values.wanted(s, version)
}

// wantedInside is what says that a datastore lives in the release.
func wantedInside(e mover.Engine) []Setting {
	return []Setting{{Path: string(e) + ".internal", Value: true, Default: true, Field: FieldOf(e, "location")}}
}

// EscapeQuery makes text a part of a URL's query (RFC 3986, unreserved).
func EscapeQuery(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// ValuesTree is settings as the tree that Helm takes.
func ValuesTree(settings []Setting) map[string]any {
	out := map[string]any{}
	for _, st := range settings {
		table := out
		names := strings.Split(st.Path, ".")
		for _, name := range names[:len(names)-1] {
			below, ok := table[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				table[name] = below
			}
			table = below
		}
		table[names[len(names)-1]] = st.Value
	}
	return out
}

// ValueAt follows names into a tree; nil when nothing is there.
func ValueAt(tree map[string]any, names ...string) any {
	var v any = tree
	for _, name := range names {
		table, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = table[name]
	}
	return v
}

// WantedValues is DatastoreValues for files that say what they say today: a
// server that the files have long named keeps the Secret they name for it, and
// a datastore that comes back from outside leaves nothing of the outside
// behind. secret is the Secret the release is known or told to read; without
// one it is ours.
func WantedValues(s *spec.Spec, datastore mover.Engine, version, secret string, files DeclaredValues) []Setting {
	settings := DatastoreValues(s, datastore, version)
	if len(settings) == 0 {
		return nil
	}
	if settings[0].Value == true {
		return append(settings, leftovers(datastore, s.Server.Release, version, files)...)
	}
	at := string(datastore) + ".auth.existingSecret"
	own := slices.IndexFunc(settings, func(st Setting) bool { return st.Path == at })
	switch {
	case secret != "":
		settings[own].Value = secret
	case namesServer(settings, files) && hasCredential(datastore, files) && !agrees(settings[own], files):
		settings = slices.Delete(settings, own, own+1)
	}
	return settings
}

// namesServer tells whether the files use the settings' server already, with
// whatever password.
func namesServer(settings []Setting, files DeclaredValues) bool {
	for _, st := range settings {
		name := st.Path[strings.Index(st.Path, ".")+1:]
		if slices.Contains([]string{"internal", "postgresqlHost", "postgresqlPort", "hosts", "auth.username"}, name) && !agrees(st, files) {
			return false
		}
	}
	return true
}

func hasCredential(datastore mover.Engine, files DeclaredValues) bool {
	for _, name := range []string{"existingSecret", "password", "rootPassword"} {
		f, ok := files.Fact(string(datastore) + ".auth." + name)
		if ok && f.Value != "" && (f.Value != nil || name != "existingSecret") {
			return true
		}
	}
	return false
}

// leftovers are values that files keep from an external datastore and that the
// internal one would trip over: the chart reads host and port wherever it lives,
// and our Secret holds the other server's password.
func leftovers(datastore mover.Engine, release, version string, files DeclaredValues) []Setting {
	name, ours, field := string(datastore), CredentialsName(datastore), FieldOf(datastore, "location")
	internal, set := files.Fact(name + ".internal")
	secret, _ := files.Fact(name + ".auth.existingSecret")
	if (!set || internal.Value == true) && secret.Value != ours {
		return nil
	}
	store := fullNameIn(release, files, datastore)
	out := KindOf(datastore).values.leftover(store, version)
	if secret.Value == ours {
		out = append(out, Setting{Path: "auth.existingSecret", Value: store}) // the chart's own, which the move keeps
	}
	for i := range out {
		out[i].Path, out[i].Field = name+"."+out[i].Path, field
	}
	return out
}

// Deviation is a setting that the files do not agree with.
type Deviation struct {
	Setting
	// Fact is what they say instead, nil when no file sets the value.
	Fact *ValuesFact
	// Lacks are what a list lacks, for people.
	Lacks []string
}

// Deviations are the settings that the files do not agree with, in order.
func Deviations(settings []Setting, files DeclaredValues) []Deviation {
	var out []Deviation
	for _, st := range settings {
		if agrees(st, files) {
			continue
		}
		d := Deviation{Setting: st}
		if f, ok := files.Fact(st.Path); ok {
			d.Fact = &f
		}
		out = append(out, d)
	}
	return out
}

// UnusedPasswords are passwords in the files that nothing reads once the files
// carry the settings: an existingSecret wins over them.
func UnusedPasswords(datastore mover.Engine, settings []Setting, files DeclaredValues) []ValuesFact {
	if len(settings) == 0 || settings[0].Value == true {
		return nil
	}
	at := string(datastore) + ".auth.existingSecret"
	kept, has := files.Fact(at)
	reads := has && kept.Value != nil && kept.Value != "" || slices.ContainsFunc(settings, func(st Setting) bool { return st.Path == at })
	var out []ValuesFact
	for _, path := range ValuesSecrets() {
		f, ok := files.Fact(path)
		// The superuser's password of the internal server is never an external one's.
		if ok && strings.HasPrefix(path, string(datastore)+".") && (reads || strings.HasSuffix(path, ".postgresPassword")) {
			out = append(out, f)
		}
	}
	return out
}

func agrees(st Setting, files DeclaredValues) bool {
	f, ok := files.Fact(st.Path)
	if !ok {
		return st.Default != nil && SameValue(st.Value, st.Default)
	}
	return SameValue(st.Value, f.Value) || strings.HasSuffix(st.Path, ".options") && sameOptions(ValueText(st.Value), ValueText(f.Value))
}

// sameOptions tells whether two strings of connection options say the same:
// their order counts among those of one name only.
func sameOptions(a, b string) bool {
	sorted := func(text string) []string {
		items := strings.Split(text, "&")
		slices.SortStableFunc(items, func(a, b string) int {
			a, _, _ = strings.Cut(a, "=")
			b, _, _ = strings.Cut(b, "=")
			return strings.Compare(strings.ToLower(a), strings.ToLower(b))
		})
		return items
	}
	return slices.Equal(sorted(a), sorted(b))
}

// SameValue tells whether a chart reads two values alike. Templates print
// numbers and strings the same way, and take every string but "" for true.
func SameValue(a, b any) bool {
	one, isList := a.([]any)
	other, both := b.([]any)
	if isList || both {
		return isList && both && slices.EqualFunc(one, other, SameValue)
	}
	_, aBool := a.(bool)
	_, bBool := b.(bool)
	if aBool != bBool || a == nil || b == nil {
		return a == b
	}
	return ValueText(a) == ValueText(b)
}

// ValueText is a value as a template prints it.
func ValueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case float64: // how JSON reads every number
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		return v
	}
	return fmt.Sprint(v)
}
