package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestInvalidFiles holds the whole text of every error against a golden file.
// Wherever a file plants CANARY in the place of a secret, no error shows it.
func TestInvalidFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("invalid files: %d, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(filepath.Base(file), data)
			var problems *Problems
			if s != nil || !errors.As(err, &problems) {
				t.Fatalf("Parse = %v, %v; want problems", s, err)
			}
			asJSON, err := json.Marshal(problems)
			if err != nil {
				t.Fatal(err)
			}
			for _, out := range []string{problems.Error(), string(asJSON)} {
				if strings.Contains(out, "CANARY") || strings.Contains(out, "hunter2") {
					t.Errorf("a secret is shown: %s", out)
				}
			}
			checkPlaces(t, data, problems)
			checkGolden(t, strings.TrimSuffix(file, ".yaml")+".golden", problems.Error()+"\n")
		})
	}
}

// checkPlaces wants every position inside the file.
func checkPlaces(t *testing.T, data []byte, problems *Problems) {
	t.Helper()
	lines := bytes.Count(data, []byte("\n")) + 1
	for _, p := range problems.Items {
		if p.Line < 1 || p.Column < 1 || p.Line > lines || p.Want == "" || p.Code == "" {
			t.Errorf("incomplete problem, or outside of %d lines: %+v", lines, p)
		}
	}
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test ./spec -update writes it)", err)
	}
	if string(want) != got {
		t.Errorf("%s differs:\n--- want\n%s--- got\n%s", file, want, got)
	}
}
