package render_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds what draw writes against testdata/name.
func golden(t *testing.T, name string, draw func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := draw(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", file, diff)
	}
}

func options(s *spec.Spec) render.Options {
	return render.Options{File: "circleci-dr.yaml", Where: s.Where}
}
