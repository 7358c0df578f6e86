package spec

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse: whatever the bytes, no panic; an error has problems, each with a
// place; what is accepted reads the same from its canonical form.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"../examples/*.yaml", "testdata/invalid/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("seeds %s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz.yaml", data)
		if err != nil {
			var problems *Problems
			if !errors.As(err, &problems) || len(problems.Items) == 0 {
				t.Fatalf("an error without problems: %v", err)
			}
			for _, p := range problems.Items {
				if p.Line < 1 || p.Column < 1 || p.Want == "" || p.Code == "" {
					t.Fatalf("incomplete problem %+v", p)
				}
			}
			return
		}
		again, err := Parse("canonical.json", s.Canonical())
		var problems *Problems
		if errors.As(err, &problems) && problems.Items[0].Code == CodeLimit {
			return // written out it is larger than a file may be
		}
		if err != nil {
			t.Fatalf("the canonical form is refused: %v\n%s", err, s.Canonical())
		}
		if again.Digest() != s.Digest() {
			t.Fatalf("the canonical form means something else:\n%s\n%s", s.Canonical(), again.Canonical())
		}
	})
}
