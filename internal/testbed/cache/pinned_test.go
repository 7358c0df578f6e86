package cache

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing but the one pinned file is ever kept.
func TestPinned(t *testing.T) {
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of "abc"
	for name, tt := range map[string]struct{ script, want string }{
		"the file":   {"printf abc > $0/a.jar", ""},
		"another":    {"printf abd > $0/a.jar", "it is not the pinned file"},
		"two files":  {"printf abc > $0/a.jar; printf abc > $0/b.jar", "expected one *.jar, found 2"},
		"no file":    {"true", "expected one *.jar, found 0"},
		"no success": {"printf abc > $0/a.jar; echo no such artifact; exit 3", "no such artifact"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := filepath.Join(t.TempDir(), "d"), filepath.Join(t.TempDir(), "kept")
			err := Pinned("a jar", exec.Command("sh", "-ec", "mkdir $0; "+tt.script, dir), dir, "*.jar", sum, path)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if _, kept := os.Stat(path); (kept == nil) != (tt.want == "") {
				t.Errorf("kept: %v", kept)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("the folder of the download is left")
			}
		})
	}
}
