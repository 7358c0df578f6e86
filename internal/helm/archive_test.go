package helm

import (
	"os"
	"path/filepath"
	"testing"
)

// A chart that travelled is the same chart: the plan binds to its digest.
func TestArchiveKeepsTheDigest(t *testing.T) {
	digest := func(ref string) string {
		ch, err := (&chartSource{ref: ref}).fetch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return chartDigest(ch)
	}
	for _, ref := range []string{fixture, archive(t)} {
		c := &Client{source: chartSource{ref: ref}}
		data, err := c.Archive()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "chart.tgz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, want := digest(path), digest(ref); got != want {
			t.Errorf("%s becomes %s, was %s", ref, got, want)
		}
	}
}

func TestArchiveOfWhatIsElsewhereIsNone(t *testing.T) {
	for _, ref := range []string{"", "oci://charts.example.com/circleci-server"} {
		c := &Client{source: chartSource{ref: ref}}
		if data, err := c.Archive(); data != nil || err != nil {
			t.Errorf("%q gives %d bytes, %v", ref, len(data), err)
		}
	}
	c := &Client{source: chartSource{ref: filepath.Join(t.TempDir(), "none")}}
	if _, err := c.Archive(); err == nil {
		t.Error("a chart that is not there was packed")
	}
}
