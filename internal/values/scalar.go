package values

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// style is how a scalar is quoted.
type style byte

const (
	plainStyle  style = 0
	singleStyle style = '\''
	doubleStyle style = '"'
)

// safe are strings no parser takes for anything else. What YAML 1.1, which Helm
// reads, makes a number, a date, a boolean or null of is found by asking it.
var safe = regexp.MustCompile(`^[A-Za-z0-9_./][-A-Za-z0-9_./@+,=]*(:[0-9]+(,[-A-Za-z0-9_.]+:[0-9]+)*)?$`)

// write gives a value as YAML that reads back as exactly this value, in the
// style that stood there where it can be kept.
func write(v any, was style) string {
	if list, ok := v.([]any); ok {
		out := make([]string, len(list))
		for i, entry := range list {
			out[i] = write(entry, doubleStyle)
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	text, isString := v.(string)
	switch {
	case !isString:
		if _, isBool := v.(bool); isBool || was == plainStyle {
			return fmt.Sprint(v)
		}
		text = fmt.Sprint(v)
	case was == plainStyle && safe.MatchString(text) && !strings.Contains(text, ",") && readsBack(text):
		return text
	}
	if was == singleStyle && !strings.ContainsAny(text, "\n\r\t") {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	var b strings.Builder
	enc := json.NewEncoder(&b) // JSON's strings are YAML's double-quoted ones
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // a string always marshals
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func readsBack(text string) bool {
	d, err := parse("", []byte("v: "+text+"\n"))
	return err == nil && d.tree["v"] == any(text)
}

// Block writes settings as a block for a values file.
func Block(settings []server.Setting) string {
	var b strings.Builder
	var open []string
	for _, st := range settings {
		names := strings.Split(st.Path, ".")
		same := 0
		for same < len(open) && same < len(names)-1 && open[same] == names[same] {
			same++
		}
		for i := same; i < len(names)-1; i++ {
			fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), names[i])
		}
		open = names[:len(names)-1]
		for _, line := range keyLines(strings.Repeat("  ", len(open)), "  ", names[len(names)-1], st.Value) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// keyLines are a key and its value as a block; a list has a line for each entry.
func keyLines(indent, step, name string, v any) []string {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return []string{indent + name + ": " + write(v, plainStyle)}
	}
	out := []string{indent + name + ":"}
	for _, entry := range list {
		out = append(out, indent+step+"- "+write(entry, doubleStyle))
	}
	return out
}

// longest is how much of a line is shown: a certificate tells nobody anything.
const longest = 160

// shownLines are lines that are added as far as they are worth showing.
func shownLines(lines []string) []string {
	out := slices.Clone(lines)
	for i, l := range out {
		if body := strings.TrimRight(l, "\r\n"); len(body) > longest {
			out[i] = body[:longest/2] + "…" + l[len(body):]
		}
	}
	return out
}
