package spec

import (
	"path/filepath"
	"testing"
)

// TestExamplesAreValid loads every example: it fits the schema, breaks no rule,
// and has only the notes named here.
func TestExamplesAreValid(t *testing.T) {
	notes := map[string]string{
		"server-internal.yaml": "datastores.postgresql.external: is used for a move only; while location is internal it says where the data come back from",
	}
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, n := range s.Notes() {
				got += n.Path + ": " + n.Message()
			}
			if want := notes[filepath.Base(file)]; got != want {
				t.Errorf("notes = %q, want %q", got, want)
			}
			again, err := Parse("canonical", s.Canonical())
			if err != nil {
				t.Fatalf("canonical form: %v", err)
			}
			if again.Digest() != s.Digest() {
				t.Error("the canonical form has another digest")
			}
		})
	}
}

// BenchmarkParseWarm is a second file in the same process; the first one also
// pays for the schema.
func BenchmarkParseWarm(b *testing.B) {
	for b.Loop() {
		if _, err := Load("../examples/server-external.yaml"); err != nil {
			b.Fatal(err)
		}
	}
}
