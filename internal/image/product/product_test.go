package product

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/image/debian"
)

// unpacked has the pinned packages, or those the archive has by now: what is
// tested holds for both.
func unpacked(t *testing.T, cache string) string {
	t.Helper()
	pins, err := Pins()
	if err != nil {
		t.Fatal(err)
	}
	source := debian.Source{Cache: cache, Note: func(s string) { t.Log(s) }}
	root, err := source.RootOfToday(t.Context(), pins)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func cached(t *testing.T) string {
	t.Helper()
	cache, err := debian.DefaultCache()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// self is this test's own binary: as static as the product's.
func self(t *testing.T) string {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

var about = About{Version: "1.2.3", Revision: "0123456789abcdef", Created: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}

func build(t *testing.T, binary, root string) image.Built {
	t.Helper()
	img, err := Image(binary, root, about)
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.Build(img)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// The same inputs, unpacked somewhere else with another cache, give the same
// digest; another binary gives another.
func TestSameInputsSameDigest(t *testing.T) {
	first := unpacked(t, cached(t))
	other := t.TempDir()
	debs, err := filepath.Glob(filepath.Join(cached(t), "*.deb"))
	if err != nil || len(debs) == 0 {
		t.Fatalf("there are no packages: %v", err)
	}
	for _, deb := range debs {
		if err := os.Symlink(deb, filepath.Join(other, filepath.Base(deb))); err != nil {
			t.Fatal(err)
		}
	}
	second := unpacked(t, other)
	if first == second {
		t.Fatalf("both are %s", first)
	}
	binary := filepath.Join(t.TempDir(), "a-copy")
	data, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, data, 0o700); err != nil {
		t.Fatal(err)
	}
	one, two := build(t, self(t), first), build(t, binary, second)
	if one.Digest != two.Digest {
		t.Errorf("the digests are %s and %s", one.Digest, two.Digest)
	}
	if err := os.WriteFile(binary, append(data, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	if three := build(t, binary, second); three.Digest == one.Digest {
		t.Errorf("another binary has the same digest %s", three.Digest)
	}
}

// entries are what is in the image, one layer over the other.
func entries(t *testing.T) (map[string]*tar.Header, map[string][]byte) {
	t.Helper()
	img, err := Image(self(t), unpacked(t, cached(t)), about)
	if err != nil {
		t.Fatal(err)
	}
	if img.User != "1001" || !slices.Equal(img.Entrypoint, []string{"/usr/bin/circleci-dr"}) {
		t.Errorf("it runs %v as %s", img.Entrypoint, img.User)
	}
	headers, data := map[string]*tar.Header{}, map[string][]byte{}
	for _, l := range img.Layers {
		var packed bytes.Buffer
		if err := l.Write(&packed); err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(&packed); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name := "/" + strings.TrimSuffix(h.Name, "/")
			if headers[name] != nil {
				t.Errorf("%s is in both layers", name)
			}
			headers[name] = h
			if data[name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return headers, data
}

func TestContent(t *testing.T) {
	headers, data := entries(t)
	var programs []string
	for name, h := range headers {
		if h.Mode&0o6000 != 0 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(image.Epoch) {
			t.Errorf("%s has mode %o, owner %d:%d %q, time %s", name, h.Mode, h.Uid, h.Gid, h.Uname, h.ModTime)
		}
		if h.Typeflag == tar.TypeReg && h.Mode&0o022 != 0 {
			t.Errorf("%s can be written by others: %o", name, h.Mode)
		}
		if h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0 && !strings.Contains(name, "/lib/x86_64-linux-gnu/") {
			programs = append(programs, name)
		}
	}
	slices.Sort(programs)
	// No shell, no package manager: nothing else can be run at all. What starts
	// a pg_dump is a program too.
	want := []string{"/usr/bin/circleci-dr", "/usr/lib/postgresql/17/bin/pg_dump", "/usr/lib/postgresql/18/bin/pg_dump", "/usr/lib64/ld-linux-x86-64.so.2"}
	if !slices.Equal(programs, want) {
		t.Errorf("what can be run is %v, want %v", programs, want)
	}
	if n := bytes.Count(data[Bundle], []byte("BEGIN CERTIFICATE")); n < 100 || bytes.Count(data[Bundle], []byte("\n-----BEGIN")) != n-1 {
		t.Errorf("the bundle has %d roots", n)
	}
	if !strings.Contains(string(data["/etc/passwd"]), ":1001:1001:") || !strings.Contains(string(data["/etc/group"]), ":1001:") {
		t.Error("the user of the image has no name")
	}
	if dir := headers["/tmp"]; dir == nil || dir.Mode != 0o1777 {
		t.Errorf("/tmp is %v", dir)
	}
	libraries(t, headers, data)
}

// libraries demands everything that binaries name, and nothing that none does.
func libraries(t *testing.T, headers map[string]*tar.Header, data map[string][]byte) {
	t.Helper()
	needed := map[string]bool{}
	for name, content := range data {
		if !bytes.HasPrefix(content, []byte(elf.ELFMAG)) || name == Binary {
			continue
		}
		f, err := elf.NewFile(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names, err := f.ImportedLibraries()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, library := range names {
			file := "/usr/lib/x86_64-linux-gnu/" + library
			if library == "ld-linux-x86-64.so.2" {
				file = "/usr/lib64/" + library
			}
			needed[file] = true
			if headers[file] == nil && headers["/usr/lib/x86_64-linux-gnu/"+library] == nil {
				t.Errorf("%s needs %s, which is not there", name, library)
			}
		}
	}
	if len(needed) < 10 {
		t.Errorf("needed are only %v: was pg_dump looked at?", needed)
	}
	for name := range headers {
		if strings.Contains(name, "/lib/x86_64-linux-gnu/") && !needed[name] && !strings.Contains(name, "/ld-linux") {
			t.Errorf("%s is there and nothing needs it", name)
		}
	}
}

// Each pg_dump starts with the image's own linker and libraries, none of this
// machine's among them: the versions of what they give are those asked for.
func TestPgDumpStarts(t *testing.T) {
	img, err := Image(self(t), unpacked(t, cached(t)), about)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if err := img.Extract(dir); err != nil {
		t.Fatal(err)
	}
	linker := func(args ...string) string {
		args = append([]string{"--inhibit-cache", "--library-path", dir + "/usr/lib/x86_64-linux-gnu"}, args...)
		out, err := exec.Command(dir+"/usr/lib64/ld-linux-x86-64.so.2", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, major := range PostgreSQL {
		if said := linker(dir+DumpPath(major), "--version"); !strings.HasPrefix(said, "pg_dump (PostgreSQL) "+major+".") {
			t.Errorf("pg_dump %s says %s", major, said)
		}
		for line := range strings.Lines(linker("--list", dir+DumpPath(major))) {
			if _, from, ok := strings.Cut(line, " => "); ok && !strings.HasPrefix(from, dir) {
				t.Errorf("pg_dump %s uses %s", major, from)
			}
		}
	}
}

// A binary that needs a dynamic linker is refused.
func TestDynamicBinaryIsRefused(t *testing.T) {
	_, err := Image("/usr/bin/dpkg-deb", unpacked(t, cached(t)), about)
	if err == nil || !strings.Contains(err.Error(), "is not static") {
		t.Errorf("got %v", err)
	}
}

// The Dockerfile makes the same: it has everything from here, and what it says
// itself is what is said here. Docker is not there to build it.
func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile("../../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	img, err := Image(self(t), unpacked(t, cached(t)), about)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			got = append(got, line)
		}
	}
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(makefile), "IMAGE_GO := go")
	compiler, _, _ := strings.Cut(rest, "\n")
	want := []string{
		"FROM golang:" + compiler + "-trixie AS build",
		`ARG VERSION=""`,
		`ARG ` + debian.Variable + `=""`,
		"WORKDIR /src",
		"COPY . .",
		"RUN GOTOOLCHAIN=go" + compiler + ` go -C internal/image run ./build -version "$VERSION" -tree /image`,
		"FROM scratch",
		"COPY --from=build /image/ /", // all of it: files, modes, links
		"ENV " + strings.Join(img.Env, " "),
		"USER " + img.User,
		"WORKDIR /",
		`ENTRYPOINT ["` + strings.Join(img.Entrypoint, `", "`) + `"]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the Dockerfile says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
