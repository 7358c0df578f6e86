package helm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// fields are the leaves of an object by their path, such as
// spec.template.spec.containers[frontend].image.
type fields map[string]any

// flatten lists an object's leaves without what only the server writes.
// A Secret's stringData is shown as the data it becomes.
func flatten(object map[string]any) fields {
	out := fields{}
	for name, v := range object {
		switch name {
		case "status":
		case "metadata":
			meta, _ := v.(map[string]any)
			for name, v := range meta {
				switch name {
				case "managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "namespace":
				default:
					out.add("metadata."+name, v)
				}
			}
		case "stringData":
			if plain, ok := v.(map[string]any); ok && text(object["kind"]) == "Secret" {
				for key, v := range plain {
					out[join("data", key)] = base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(v)))
				}
				continue
			}
			out.add(name, v)
		default:
			out.add(name, v)
		}
	}
	return out
}

func (f fields) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			f.add(join(path, name), child)
		}
	case []any:
		names := elements(v)
		for i, child := range v {
			f.add(path+"["+names[i]+"]", child)
		}
	case nil:
	default:
		f[path] = v
	}
}

// join writes a.b, and a["b.c"] where a dot in the name would mislead.
func join(path, name string) string {
	if strings.ContainsAny(name, ".[]") {
		return path + `["` + name + `"]`
	}
	return path + "." + name
}

// elements names a list's elements by what Kubernetes merges them by, and by
// number where there is no such field.
func elements(list []any) []string {
	for _, by := range []string{"name", "mountPath", "containerPort", "port", "key", "ip", "type"} {
		names := make([]string, 0, len(list))
		seen := map[string]bool{}
		for _, v := range list {
			item, _ := v.(map[string]any)
			name := show(item[by])
			if item[by] == nil || seen[name] {
				break
			}
			seen[name] = true
			names = append(names, name)
		}
		if len(names) == len(list) {
			return names
		}
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = fmt.Sprint(i)
	}
	return names
}

// show writes a leaf. Numbers read by different decoders are written alike.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

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
func (s shower) change(path string, from, to fields) reconcile.Change {
	old, hadOld := from[path]
	young, hasYoung := to[path]
	c := reconcile.Change{Field: path, From: s.leaf(path, old, hadOld), To: s.leaf(path, young, hasYoung)}
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
