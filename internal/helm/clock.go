package helm

import (
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// anotherTime is what now becomes in a render that is to differ wherever a
// template writes the time: two renders of the same second, or the same day,
// would say the same.
const anotherTime = `(toDate "2006-01-02T15:04:05" "2001-02-03T04:05:06")`

// atAnotherTime sets the clock of a chart's templates.
func atAnotherTime(ch *chart.Chart) *chart.Chart {
	for _, file := range ch.Templates {
		file.Data = []byte(replaceNow(string(file.Data)))
	}
	for _, sub := range ch.Dependencies() {
		atAnotherTime(sub)
	}
	return ch
}

// replaceNow puts anotherTime in the place of every call of now in a template.
func replaceNow(text string) string {
	if !strings.Contains(text, "now") {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString("{{")
		text = replaceInAction(&out, rest)
	}
}

// replaceInAction copies an action up to its end and gives what follows. Texts
// and comments in it are left alone.
func replaceInAction(out *strings.Builder, text string) (rest string) {
	for i := 0; i < len(text); {
		n := 1
		switch {
		case strings.HasPrefix(text[i:], "}}"):
			return text[i:]
		case strings.HasPrefix(text[i:], "/*"):
			n = throughEnd(text[i:], 2, "*/")
		case text[i] == '`':
			n = throughEnd(text[i:], 1, "`")
		case text[i] == '"':
			n = quotedLength(text[i:])
		case strings.HasPrefix(text[i:], "now") && standsApart(text, i, len("now")):
			out.WriteString(anotherTime)
			i += len("now")
			continue
		}
		out.WriteString(text[i : i+n])
		i += n
	}
	return ""
}

func throughEnd(text string, from int, end string) int {
	if i := strings.Index(text[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(text)
}

func quotedLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// standsApart tells whether a word is a function's name: no part of another
// word, no field and no variable.
func standsApart(text string, at, length int) bool {
	isName := func(c byte) bool {
		return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	if at > 0 && (isName(text[at-1]) || text[at-1] == '.' || text[at-1] == '$') {
		return false
	}
	return at+length == len(text) || !isName(text[at+length])
}
