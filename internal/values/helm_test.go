package values

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	helmvalues "helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/getter"
	"pgregory.net/rapid"
)

// Helm itself is asked what it makes of several files: every fact and every
// check of an edit rests on our merge being the same.
func TestFilesAreMergedAsHelmMergesThem(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var docs []*document
		var files []string
		for _, name := range []string{"a.yaml", "b.yaml", "c.yaml"} {
			data := drawn(t)
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				data = []byte("postgresql: null\n")
			}
			doc, err := parse(name, data)
			if err != nil {
				continue
			}
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			docs, files = append(docs, doc), append(files, path)
		}
		want, err := (&helmvalues.Options{ValueFiles: files}).MergeValues(getter.Providers{})
		if err != nil {
			t.Fatal(err)
		}
		if got := merged(docs); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, Helm has %v", got, want)
		}
	})
}
