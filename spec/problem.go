package spec

import (
	"fmt"
	"sort"
	"strings"
)

// maxProblems bounds a report: a file with more is not the file it claims to be.
const maxProblems = 100

// Problem is one thing that is wrong in the file, or worth knowing about it:
// where it stands, what was found, what is wanted and what to do next. Found
// never holds a secret; where the value may be one it is empty or says only of
// what kind it is.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"`
	Want   string `json:"want"`
	Found  string `json:"found,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Code   Code   `json:"code"`
}

// Code classes a Problem for machines; its text never changes.
type Code string

// The classes of problems.
const (
	CodeFile       Code = "file"        // the bytes are not a YAML document we read
	CodeSyntax     Code = "syntax"      // the YAML parser refused it
	CodeLimit      Code = "limit"       // larger, longer or deeper than a spec can be
	CodeYAML       Code = "yaml"        // YAML that is valid and not accepted here
	CodeDuplicate  Code = "duplicate"   // a key is given twice
	CodeUnknownKey Code = "unknown-key" // no such field
	CodeMissing    Code = "missing"     // a required field is not there
	CodeType       Code = "type"        // a string where a number belongs, and so on
	CodeValue      Code = "value"       // the right type, not an allowed value
	CodeSecret     Code = "secret"      // a secret, or something else, where a reference belongs
	CodeRule       Code = "rule"        // fields that contradict each other
	CodeFinding    Code = "finding"     // allowed, and a policy finding
	CodeNote       Code = "note"        // allowed, and worth knowing
)

// Message is the problem in one line without its place: want, and what was
// found.
func (p Problem) Message() string {
	if p.Found == "" {
		return p.Want
	}
	return fmt.Sprintf("%s (got %s)", p.Want, p.Found)
}

// String is file:line:column: path: message, with the hint on a second line.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message())
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// Problems is the error of Load and Parse: everything that is wrong with the
// file, in the order of the file.
type Problems struct {
	Items []Problem `json:"problems"`
}

var _ error = (*Problems)(nil)

// Error lists all problems, one below the other.
func (p *Problems) Error() string {
	lines := make([]string, 0, len(p.Items))
	for _, item := range p.Items {
		lines = append(lines, item.String())
	}
	return strings.Join(lines, "\n")
}

// newProblems sorts by position and cuts a list that nobody would read.
func newProblems(file string, items []Problem) *Problems {
	sortProblems(items)
	if more := len(items) - maxProblems; more > 0 {
		at := items[maxProblems]
		items = append(items[:maxProblems:maxProblems], Problem{
			File: file, Line: at.Line, Column: at.Column, Code: CodeLimit,
			Want: fmt.Sprintf("%d more problems follow from here", more),
			Hint: "is this really a circleci-dr.yaml? Repair the first ones and run it again",
		})
	}
	return &Problems{Items: items}
}

func sortProblems(items []Problem) {
	sort.SliceStable(items, func(i, j int) bool {
		a, b := items[i], items[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Column != b.Column {
			return a.Column < b.Column
		}
		return a.Path < b.Path
	})
}
