package helm

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// fields are the leaves of an object by their path, such as
// spec.template.spec.containers[frontend].image.
type fields map[string]any

func flatten(object map[string]any) fields { return server.Leaves(object) }

// show writes a leaf. Numbers read by different decoders are written alike.
func show(v any) string { return server.LeafText(v) }

// differ gives the paths whose leaves are not the same, sorted.
func differ(a, b fields) []string {
	var out []string
	for path, v := range a {
		if other, both := b[path]; !both || show(v) != show(other) {
			out = append(out, path)
		}
	}
	for path := range b {
		if _, both := a[path]; !both {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// paths gives all paths, sorted.
func (f fields) paths() []string { return slices.Sorted(maps.Keys(f)) }

// shower writes leaves for people: no secrets, nothing endless.
type shower struct {
	kind  string
	scrub scrubber
}

// change describes one path that goes from one object to another.
func (s shower) change(path string, from, to fields) engine.Change {
	old, hadOld := from[path]
	young, hasYoung := to[path]
	c := engine.Change{Field: path, From: s.leaf(path, old, hadOld), To: s.leaf(path, young, hasYoung)}
	if c.From == c.To && c.From == redacted {
		c.To = redacted + " (sha changed)"
	}
	return c
}

func (s shower) leaf(path string, v any, there bool) string {
	if !there {
		return ""
	}
	if s.hides(path) {
		return redacted
	}
	shown := s.scrub.text(show(v))
	if len(shown) <= 160 && !strings.Contains(shown, "\n") {
		return shown
	}
	sum := sha256.Sum256([]byte(show(v)))
	return fmt.Sprintf("%d bytes, sha256 %x…", len(show(v)), sum[:6])
}

// hides tells whether a leaf is a secret by where it stands: the data of a
// Secret, a ConfigMap's key or an environment variable with such a name.
func (s shower) hides(path string) bool {
	if s.kind == "Secret" {
		return strings.HasPrefix(path, "data.") || strings.HasPrefix(path, "data[")
	}
	if name, isData := strings.CutPrefix(path, "data."); isData {
		return isSensitive(name)
	}
	if head, isValue := strings.CutSuffix(path, "].value"); isValue {
		if i := strings.LastIndex(head, ".env["); i >= 0 {
			return isSensitive(head[i+len(".env["):])
		}
	}
	return false
}
