package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// other is the fixture with one text replaced in every file that has it.
func other(t *testing.T, old, new string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "chart")
	if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Chart.yaml", "templates/settings.yaml"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(old), []byte(new)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bare is the fixture without its subchart.
func bare(t *testing.T) string {
	t.Helper()
	dir := other(t, "", "")
	if err := os.RemoveAll(filepath.Join(dir, "charts")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func archive(t *testing.T) string {
	t.Helper()
	path, err := chartutil.Save(loadChart(t, fixture), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChartsFromDirectoryArchiveAndRegistryAreEqual(t *testing.T) {
	path := archive(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	registry := serveChart(t, data, "4.9.0")
	b := newBench(t, "")
	b.install(t, nil)
	for _, ref := range []string{fixture, path, "oci://" + registry + "/charts/fixture", "oci://" + registry + "/charts/fixture:4.9.0"} {
		source := chartSource{ref: ref}
		lines, err := faithful(b.cfg(t), b.newest(t), func() (*chart.Chart, error) {
			return source.load(context.Background(), "fixture", "4.9.0")
		})
		if err != nil || len(lines) > 0 {
			t.Errorf("%s: %v %v", ref, lines, err)
		}
	}
	source := chartSource{ref: "oci://" + registry + "/charts/fixture"}
	if _, err := source.load(context.Background(), "fixture", "4.9.1"); err == nil || !strings.Contains(err.Error(), "helm registry login") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

func TestChartLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.tgz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(maxArchive+1), file.Close()); err != nil {
		t.Fatal(err)
	}
	source := chartSource{ref: path}
	want := fmt.Sprintf("load chart %s: the archive has %d bytes, more than the %d allowed", path, maxArchive+1, maxArchive)
	if _, err := source.load(context.Background(), "fixture", "4.9.0"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	body := limitedBody{ReadCloser: io.NopCloser(strings.NewReader("four")), left: 3}
	if _, err := io.ReadAll(&body); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v, want errTooLarge", err)
	}
}

func TestFaithfulForgivesWhatSaysNothing(t *testing.T) {
	random := other(t, "host:", "made: {{ randAlphaNum 12 }}\n  host:")
	b := newBench(t, random)
	b.install(t, nil)
	rel := b.newest(t)
	manifest, err := render(b.cfg(t), loadChart(t, random), rel.Config, renderedAs(rel)[0])
	if err != nil {
		t.Fatal(err)
	}
	held, err := hold(manifest)
	if err != nil {
		t.Fatal(err)
	}
	rel.Manifest = held
	lines, err := faithful(b.cfg(t), rel, func() (*chart.Chart, error) { return loadChart(t, random), nil })
	if err != nil || len(lines) > 0 {
		t.Errorf("got %v %v, want nothing", lines, err)
	}
	rel.Manifest = strings.ReplaceAll(held, "host: \"postgresql\"", "host: \"elsewhere\"")
	lines, err = faithful(b.cfg(t), rel, func() (*chart.Chart, error) { return loadChart(t, random), nil })
	want := `ConfigMap/settings data.host: the release has "elsewhere", the chart renders "postgresql"`
	if err != nil || len(lines) != 1 || lines[0] != want {
		t.Errorf("got %q %v, want %q", lines, err, want)
	}
}

// serveChart is a registry with one chart.
func serveChart(t *testing.T, data []byte, tag string) string {
	t.Helper()
	blobs := map[string][]byte{}
	put := func(media string, blob []byte) map[string]any {
		sum := fmt.Sprintf("sha256:%x", sha256.Sum256(blob))
		blobs[sum] = blob
		return map[string]any{"mediaType": media, "digest": sum, "size": len(blob)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": put("application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"fixture","version":"4.9.0"}`)),
		"layers": []any{put("application/vnd.cncf.helm.chart.content.v1.tar+gzip", data)},
	})
	if err != nil {
		t.Fatal(err)
	}
	digest := put("", manifest)["digest"].(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if last == tag {
			last = digest
		}
		blob, found := blobs[last]
		if !found {
			http.Error(w, `{"errors":[{"code":"NAME_UNKNOWN"}]}`, http.StatusNotFound)
			return
		}
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		}
		w.Header().Set("Docker-Content-Digest", last)
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(blob)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
