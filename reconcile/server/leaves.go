package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Leaves lists a Kubernetes object's leaves by their path, such as
// spec.template.spec.containers[frontend].image, without what only the server
// writes. A Secret's stringData is shown as the data it becomes.
func Leaves(object map[string]any) map[string]any {
	out := leaves{}
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
			if plain, ok := v.(map[string]any); ok && object["kind"] == "Secret" {
				for key, v := range plain {
					out[joinPath("data", key)] = base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(v)))
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

type leaves map[string]any

func (f leaves) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			f.add(joinPath(path, name), child)
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

// joinPath writes a.b, and a["b.c"] where a dot in the name would mislead.
func joinPath(path, name string) string {
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
			name := LeafText(item[by])
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

// LeafText writes a leaf. Numbers read by different decoders are written alike.
func LeafText(v any) string {
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
