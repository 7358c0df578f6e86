package server

import (
	"context"
	"slices"
	"strconv"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// ValuesFiles reads the Helm values files that the spec declares. It changes
// nothing.
type ValuesFiles interface {
	Values(ctx context.Context) engine.Observed[DeclaredValues]
}

// DeclaredValues is what the user's values files say about the datastores,
// merged the way Helm merges them.
type DeclaredValues struct {
	// Files are the files' names in the order Helm reads them.
	Files []string `json:"files"`
	// Facts are the values of ValuesPaths and ValuesSecrets that a file sets.
	Facts []ValuesFact `json:"facts,omitempty"`
	// Trust is what they tell the application to trust, and TrustAt the place
	// that decides on tls.certificates, without a file where none does.
	Trust   Trust      `json:"trust,omitzero"`
	TrustAt ValuesFact `json:"trustAt,omitzero"`
}

// ValuesFact is one value and the line that decides it.
type ValuesFact struct {
	Path string `json:"path"`
	File string `json:"file"`
	Line int    `json:"line"`
	// Value is a bool, a number or a string, nil for null. A secret's is nil.
	Value any `json:"value"`
}

// Where is the fact's file:line, or the file where the line is not known.
func (f ValuesFact) Where() string {
	if f.Line == 0 {
		return f.File
	}
	return f.File + ":" + strconv.Itoa(f.Line)
}

// Fact gives what the files say for a path, and false when none sets it.
func (v DeclaredValues) Fact(path string) (ValuesFact, bool) {
	i := slices.IndexFunc(v.Facts, func(f ValuesFact) bool { return f.Path == path })
	if i < 0 {
		return ValuesFact{}, false
	}
	return v.Facts[i], true
}

// ValuesEdit is what has to change in one file.
type ValuesEdit struct {
	File  string       `json:"file"`
	Hunks []ValuesHunk `json:"hunks"`
}

// ValuesHunk is one change: lines that are replaced, and lines that are added.
type ValuesHunk struct {
	// Path is the value that changes, or the block around all of them.
	Path string `json:"path"`
	// Line and Lines are where it begins and how long it is before the change,
	// NewLine and NewLines after it, as in a unified diff.
	Line     int `json:"line"`
	Lines    int `json:"lines"`
	NewLine  int `json:"newLine"`
	NewLines int `json:"newLines"`
	// Old and New are for showing. What could be a secret is left out, and of a
	// line with brackets only the part that changes is there.
	Old []string `json:"old,omitempty"`
	New []string `json:"new"`
}

// DeclaredRelease is a release with what its values say of the datastores, the
// chart's defaults in them.
type DeclaredRelease struct {
	Release Release
	Values  DeclaredValues
}
