package server

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// valueRow is all that is known of one Helm value of a datastore: what the spec
// makes of it, what it says of the spec, and what it says of the release
// (values table of Server 4.x). Whoever needs the name of a value takes it from
// here.
type valueRow[X any] struct {
	// key is the value's path below the engine's block.
	key string
	// standard is what the chart takes where nobody sets it, nil where that is
	// no answer.
	standard any
	// fieldOf is the spec's path below the engine's block.
	field string
	// say is what an external server in the spec makes of the value, nil where
	// the spec does not decide it.
	say func(X) any
	// hear takes into the spec what the value says of an external server, and
	// gives what the spec cannot say. It is nil where that takes more than the value.
	hear func(x X, v any) string
	// live takes what the value says of the release, nil where nothing needs it.
	live func(s *ReleaseStore, v any) error
}

// wantedOf is what the spec makes of each value that a chart version has.
func wantedOf[X any](e mover.Engine, rows []valueRow[X], x X, version string) []Setting {
	var out []Setting
	for _, r := range rows {
		path := string(e) + "." + r.key
		if r.say != nil && chartKnows(path, version) {
			out = append(out, Setting{Path: path, Value: r.say(x), Default: r.standard, Field: FieldOf(e, r.field)})
		}
	}
	return out
}

// chartKnows tells whether a chart version has a value. No version means the
// newest one; one that is no version of Server 4.x has what all of them have.
func chartKnows(path, version string) bool {
	first := Version{4, 0}
	if v, ok := VersionOf(version); version != "" && (!ok || v.Less(first)) {
		version = first.String()
	}
	return version == "" || HasValue(path, version)
}

// remark is what somebody should know about a field of the spec.
type remark struct{ field, text string }

// heard fills an external server from what the values of a release say.
func heard[X any](e mover.Engine, rows []valueRow[X], x X, said DeclaredValues) []remark {
	var out []remark
	for _, r := range rows {
		f, ok := said.Fact(string(e) + "." + r.key)
		if r.hear == nil || !ok || f.Value == nil {
			continue
		}
		if text := r.hear(x, f.Value); text != "" {
			out = append(out, remark{FieldOf(e, r.field), text})
		}
	}
	return out
}

// StoreOf is a datastore as the values of a release name it. The chart's
// defaults have to be in them; what no value says is empty.
func StoreOf(e mover.Engine, said DeclaredValues) (ReleaseStore, error) {
	return KindOf(e).values.read(said)
}

func storeOfRows[X any](e mover.Engine, rows []valueRow[X], said DeclaredValues) (ReleaseStore, error) {
	var out ReleaseStore
	for _, r := range rows {
		f, ok := said.Fact(string(e) + "." + r.key)
		if r.live == nil || !ok || f.Value == nil {
			continue
		}
		if err := r.live(&out, f.Value); err != nil {
			return out, fmt.Errorf("%s %w", f.Path, err)
		}
	}
	if out.FullName == "" {
		out.FullName = string(e)
	}
	return out, nil
}

// pathsOf names the values of an engine in the order of its rows.
func pathsOf[X any](e mover.Engine, rows []valueRow[X]) []string {
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, string(e)+"."+r.key)
	}
	return out
}

func isInternal(s *ReleaseStore, v any) error { return boolInto(&s.Internal, v) }

func isSecure(s *ReleaseStore, v any) error { return boolInto(&s.SecureMode, v) }

func isCalled(s *ReleaseStore, v any) error { return textInto(&s.FullName, v) }

func isUsedBy(s *ReleaseStore, v any) error { return textInto(&s.Username, v) }

func hasSecret(s *ReleaseStore, v any) error { return textInto(&s.ExistingSecret, v) }

func boolInto(to *bool, v any) error {
	b, ok := v.(bool)
	if !ok {
		return errNotBool
	}
	*to = b
	return nil
}

func textInto(to *string, v any) error {
	*to = ValueText(v)
	return scalar(v)
}

func portInto(to *int, v any) error {
	n, err := strconv.Atoi(ValueText(v))
	if ValueText(v) == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("is %q, not a number", ValueText(v))
	}
	*to = n
	return nil
}

// scalar refuses a list or a block where a template prints one value.
func scalar(v any) error {
	switch v.(type) {
	case []any, map[string]any:
		return errNotScalar
	}
	return nil
}

// itemsOf splits a list with commas, as the chart's values write one.
func itemsOf(text string) []string {
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
