package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be made is refused before anything is built or written.
func TestUsage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "image.tar")
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "say what to make"},
		{[]string{"-renew-pins", "-out", out}, "say what to make"},
		{[]string{"-tools", out, "-tree", out}, "say what to make"},
		{[]string{"-binaries", out, "-out", out}, "say what to make"},
		{[]string{"-binaries", out}, "VERSION"},
		{[]string{"-out", out, "there"}, `there are no arguments (got "there")`},
		{[]string{"-out", out, "-version", "1.0.0+meta"}, `"1.0.0+meta" cannot be one`},
		{[]string{"-out", out, "-version", "1 -X main.other=2"}, "cannot be one"},
	} {
		if err := run(t.Context(), row.args); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: got %v, want %q", row.args, err, row.want)
		}
	}
}
