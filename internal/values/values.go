// Package values reads and edits the user's own Helm values files.
//
// It knows files, YAML and how Helm merges several files. It knows nothing of
// clusters, and not what a value is for: which paths matter and what they
// should be, reconcile says. What it does not have to change stays as it is,
// byte by byte; what it cannot change for certain it refuses, with the line.
package values

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Files are values files in the order Helm reads them; later ones win.
type Files struct {
	paths []string
}

// New names the files; names are relative to dir.
func New(dir string, names []string) *Files {
	f := &Files{}
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		f.paths = append(f.paths, name)
	}
	return f
}

// Refusal is why a file cannot be read or edited.
type Refusal struct {
	File string
	// Line counts from 1; 0 means the file as a whole.
	Line int
	What string
	// Fix is what to do about it.
	Fix string
}

// Error gives file, line, reason and what to do.
func (r *Refusal) Error() string {
	at := r.File
	if r.Line > 0 {
		at = fmt.Sprintf("%s:%d", r.File, r.Line)
	}
	text := at + ": " + r.What
	if r.Fix != "" {
		text += "; " + r.Fix
	}
	return text
}

// Values reads the files for a plan or a drift.
func (f *Files) Values(context.Context) engine.Observed[server.DeclaredValues] {
	if len(f.paths) == 0 {
		return engine.NotThere[server.DeclaredValues]()
	}
	got, err := f.Read()
	if err != nil {
		return engine.CouldNot[server.DeclaredValues](err)
	}
	return engine.Found(got)
}

// Read gives what the files say. The error joins everything that is wrong with
// any of them.
func (f *Files) Read() (server.DeclaredValues, error) {
	docs, err := f.load()
	if err != nil {
		return server.DeclaredValues{}, err
	}
	return facts(docs)
}

func (f *Files) load() ([]*document, error) {
	var docs []*document
	var failed []error
	for _, path := range f.paths {
		doc, err := load(path)
		docs, failed = append(docs, doc), append(failed, err)
	}
	return docs, errors.Join(failed...)
}

// facts finds for every path the line that decides it.
func facts(docs []*document) (server.DeclaredValues, error) {
	var out server.DeclaredValues
	var failed []error
	for _, d := range docs {
		out.Files = append(out.Files, d.path)
	}
	secrets := server.ValuesSecrets()
	for _, path := range append(server.ValuesPaths(), secrets...) {
		names := strings.Split(path, ".")
		d, how := decider(docs, names)
		switch {
		case how != sets:
			continue
		case d.scalar(names) != nil:
			failed = append(failed, d.scalar(names))
			continue
		}
		fact := server.ValuesFact{Path: path, File: d.path, Line: d.line(names), Value: server.ValueAt(d.tree, names...)}
		if slices.Contains(secrets, path) {
			if text, _ := fact.Value.(string); fact.Value == nil || fact.Value == "" || d.sealed() && strings.HasPrefix(text, "ENC[") {
				continue
			}
			fact.Value = nil
		}
		out.Facts = append(out.Facts, fact)
	}
	trusted(&out, docs)
	return out, errors.Join(failed...)
}

// trusted fills in what the files tell the application to trust.
func trusted(out *server.DeclaredValues, docs []*document) {
	list := func(name string) (texts []string, other bool, at *document) {
		names := []string{server.TrustBlock, name}
		d, how := decider(docs, names)
		if how != sets {
			return nil, how == cuts && d.tree[server.TrustBlock] != nil, d
		}
		value := server.ValueAt(d.tree, names...)
		all, isList := value.([]any)
		for _, v := range all {
			text, isText := v.(string)
			if other = other || !isText; isText {
				texts = append(texts, text)
			}
		}
		return texts, other || value != nil && !isList, d
	}
	var at *document
	out.Trust.Certificates, out.Trust.Other, at = list("certificates")
	if at != nil {
		names := []string{server.TrustBlock, "certificates"}
		out.TrustAt = server.ValuesFact{Path: strings.Join(names, "."), File: at.path, Line: at.line(names)}
	}
	out.Trust.Imports, _, _ = list("import")
}

// reach is what a file says for a path.
type reach int

const (
	silent reach = iota // it has not even a block around it
	blocks              // it has a block around it
	sets                // it sets it
	cuts                // it has something else than a block around it
)

func (d *document) reach(names []string) (how reach, depth int) {
	var v any = d.tree
	for i, name := range names {
		table, ok := v.(map[string]any)
		if !ok {
			return cuts, i
		}
		if v, ok = table[name]; !ok {
			if i == 0 {
				return silent, 0
			}
			return blocks, i
		}
	}
	return sets, len(names)
}

// decider is the last file that sets a path, or that cuts the block around it
// off: where Helm takes the value from.
func decider(docs []*document, names []string) (*document, reach) {
	for _, d := range slices.Backward(docs) {
		if how, _ := d.reach(names); how == sets || how == cuts {
			return d, how
		}
	}
	return nil, silent
}

// home is the file to write a path to: the one that decides it, else the last
// one with the nearest block around it, else the last.
func home(docs []*document, names []string) int {
	best, depth := len(docs)-1, 0
	for i, d := range docs {
		how, n := d.reach(names)
		switch {
		case how == sets || how == cuts:
			best, depth = i, len(names)+1
		case how == blocks && n >= depth:
			best, depth = i, n
		}
	}
	return best
}

// merged is what Helm makes of several files: mappings are merged, anything
// else replaces what stood there (helm.sh/helm/v3/pkg/cli/values).
func merged(docs []*document) map[string]any {
	out := map[string]any{}
	for _, d := range docs {
		out = merge(out, d.tree)
	}
	return out
}

func merge(a, b map[string]any) map[string]any {
	out := make(map[string]any, len(a))
	for name, v := range a {
		out[name] = v
	}
	for name, v := range b {
		over, isTable := v.(map[string]any)
		under, had := out[name].(map[string]any)
		if isTable && had {
			v = merge(under, over)
		}
		out[name] = v
	}
	return out
}
