package helm

import (
	"cmp"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// secretReads are the keys of some Secrets that the workloads of a manifest
// read, whichever way: as a variable, all of them as variables, or as files.
func secretReads(manifest string, names []string) ([]server.SecretRead, error) {
	if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(manifest, name) }) {
		return nil, nil
	}
	docs, err := parse(manifest)
	if err != nil {
		return nil, err
	}
	var out []server.SecretRead
	for _, d := range docs {
		for _, r := range readsOf(d.podSpec()) {
			if slices.Contains(names, r.Secret) {
				out = addRead(out, r, d.ref())
			}
		}
	}
	slices.SortFunc(out, func(a, b server.SecretRead) int {
		return cmp.Or(cmp.Compare(a.Secret, b.Secret), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

// addRead counts a reader; a key is optional where nobody insists on it.
func addRead(list []server.SecretRead, r server.SecretRead, by string) []server.SecretRead {
	i := slices.IndexFunc(list, func(o server.SecretRead) bool { return o.Secret == r.Secret && o.Key == r.Key })
	if i < 0 {
		r.By = []string{by}
		return append(list, r)
	}
	list[i].Optional = list[i].Optional && r.Optional
	if !slices.Contains(list[i].By, by) {
		list[i].By = append(list[i].By, by)
	}
	return list
}

// podSpec is the specification of a workload's pods, nil for anything else.
func (d document) podSpec() map[string]any {
	path := []string{"spec", "template", "spec"}
	switch d.kind() {
	case "Pod":
		path = path[:1]
	case "CronJob":
		path = append([]string{"spec", "jobTemplate"}, path...)
	}
	spec, _ := server.ValueAt(d.object, path...).(map[string]any)
	return spec
}

// readsOf are the keys that a pod reads; an empty one stands for all there are.
func readsOf(pod map[string]any) []server.SecretRead {
	var out []server.SecretRead
	add := func(from any, name string, key any) {
		ref, _ := from.(map[string]any)
		if secret := text(ref[name]); secret != "" {
			optional, _ := ref["optional"].(bool)
			out = append(out, server.SecretRead{Secret: secret, Key: text(key), Optional: optional})
		}
	}
	files := func(from any, name string) {
		ref, _ := from.(map[string]any)
		items := tables(ref["items"])
		for _, item := range items {
			add(ref, name, item["key"])
		}
		if len(items) == 0 {
			add(ref, name, "")
		}
	}
	for _, c := range append(tables(pod["initContainers"]), tables(pod["containers"])...) {
		for _, env := range tables(c["env"]) {
			ref, _ := server.ValueAt(env, "valueFrom", "secretKeyRef").(map[string]any)
			add(ref, "name", ref["key"])
		}
		for _, env := range tables(c["envFrom"]) {
			add(env["secretRef"], "name", "")
		}
	}
	for _, v := range tables(pod["volumes"]) {
		files(v["secret"], "secretName")
		for _, source := range tables(server.ValueAt(v, "projected", "sources")) {
			files(source["secret"], "name")
		}
	}
	return out
}

// tables are the mappings in a list.
func tables(v any) []map[string]any {
	list, _ := v.([]any)
	var out []map[string]any
	for _, entry := range list {
		if table, ok := entry.(map[string]any); ok {
			out = append(out, table)
		}
	}
	return out
}

// secretsOf are the Secrets from which the application of an upgraded release
// reads the passwords of the datastores that move.
func (t *target) secretsOf(set map[string]any) ([]string, error) {
	var out []string
	for name := range set {
		if !slices.Contains(server.Engines(), mover.Engine(name)) {
			continue // a block of something else
		}
		block, _ := t.values[name].(map[string]any)
		secret := text(server.ValueAt(block, "auth", "existingSecret"))
		if secret == "" {
			var err error
			if secret, err = storeName(t.base, name); err != nil {
				return nil, err
			}
		}
		out = append(out, secret)
	}
	return out, nil
}
