package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shelf is an archive of packages made for a test.
type shelf struct {
	t   *testing.T
	dir string
}

// pack makes a package, puts it on the shelf and gives its pin.
func (s shelf) pack(name, version, fields string) Pin {
	s.t.Helper()
	src := s.t.TempDir()
	write(s.t, filepath.Join(src, "usr/share", name, "file"), version)
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: a test\nDescription: a test\n%s", name, version, fields)
	write(s.t, filepath.Join(src, "DEBIAN/control"), control)
	file := "pool/main/" + name + "_" + version + "_amd64.deb"
	if err := os.MkdirAll(filepath.Join(s.dir, "pool/main"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if out, err := exec.Command("dpkg-deb", "-Znone", "--root-owner-group", "--build", src, filepath.Join(s.dir, file)).CombinedOutput(); err != nil {
		s.t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	pin := Pin{Name: name, Suite: unreleased, Version: version, File: file, SHA256: hex.EncodeToString(sum[:])}
	s.list(control, pin, len(data))
	return pin
}

// list adds a package to what the suite has.
func (s shelf) list(control string, pin Pin, size int) {
	s.t.Helper()
	index := filepath.Join(s.dir, "dists", pin.Suite, "main/binary-amd64/Packages")
	before, err := os.ReadFile(index)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	write(s.t, index, string(before)+fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %s\n\n", control, pin.File, size, pin.SHA256))
}

func (s shelf) source() Source {
	return Source{Cache: s.t.TempDir(), Note: func(string) {}, find: func(context.Context) (archives, error) {
		return archives{main: "copy:" + s.dir, trust: "trusted=yes allow-insecure=yes"}, nil
	}}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pinned(packages ...Pin) Pins { return Pins{Architecture: "amd64", Packages: packages} }

func TestRootHasEveryPackage(t *testing.T) {
	s := shelf{t, t.TempDir()}
	pins := pinned(s.pack("libone", "1.0+a~b", ""), s.pack("two", "2", "Depends: libone (>= 1.0)\n"))
	source := s.source()
	root, err := source.Root(t.Context(), pins)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"usr/share/libone/file": "1.0+a~b", "usr/share/two/file": "2", StatusDir + "/two": "Version: 2"} {
		if got, err := os.ReadFile(filepath.Join(root, file)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
		}
	}
	// Once had, nothing is asked for again.
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if again, err := source.Root(t.Context(), pins); err != nil || again != root {
		t.Errorf("the second time: %s, %v; want %s", again, err, root)
	}
}

// What is gone, and what is not the pinned file, is named; all of it at once,
// and none of it is used.
func TestStalePinsAreNamed(t *testing.T) {
	s := shelf{t, t.TempDir()}
	good, gone, other := s.pack("good", "1", ""), s.pack("gone", "1-2", ""), s.pack("other", "3", "")
	if err := os.Remove(filepath.Join(s.dir, gone.File)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, other.File), "not what was pinned")
	source := s.source()
	_, err := source.Root(t.Context(), pinned(good, gone, other))
	var stale *StaleError
	if !errors.As(err, &stale) || len(stale.Pins) != 2 || stale.Pins[0].Pin != gone || stale.Pins[1].Pin != other {
		t.Fatalf("got %v, want an error that names gone and other", err)
	}
	for _, want := range []string{"gone 1-2 of forky", "other 3 of forky", "Hash Sum mismatch", "make image-pins", Variable} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	kept, err := filepath.Glob(filepath.Join(source.Cache, "*"))
	if err != nil || len(kept) != 1 || filepath.Base(kept[0]) != good.SHA256+".deb" {
		t.Errorf("kept are %v, %v; want the good package alone", kept, err)
	}
}

// Packages of two suites are together only as far as Debian says so.
func TestRelationsAreHeld(t *testing.T) {
	for _, row := range []struct{ name, fields, want string }{
		{"needs a newer one", "Depends: libone (>= 1:1.0), unpinned (>= 9)\n", "two 2 of forky needs libone (>= 1:1.0), and pinned is libone 1.0 of forky"},
		{"needs it before", "Pre-Depends: libone (= 1.1)\n", "two 2 of forky needs libone (= 1.1), and pinned is libone 1.0 of forky"},
		{"breaks it", "Breaks: libone (<< 1.0.1)\n", "two 2 of forky does not work with libone (<< 1.0.1), and pinned is libone 1.0 of forky"},
		{"fits", "Depends: libone (>= 1.0~rc1)\nBreaks: libone (<< 0.9)\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := shelf{t, t.TempDir()}
			_, err := s.source().Root(t.Context(), pinned(s.pack("libone", "1.0", ""), s.pack("two", "2", row.fields)))
			if got := fmt.Sprint(err); (row.want == "") != (err == nil) || row.want != "" && got != row.want {
				t.Errorf("got %s, want %q", got, row.want)
			}
		})
	}
}

// The archive moved on: an image to publish is refused, tests go on with what is
// there, and renewing the pins gives just that.
func TestTheArchiveMovesOn(t *testing.T) {
	s := shelf{t, t.TempDir()}
	gone := s.pack("libone", "1.9", "")
	kept := s.pack("two", "2", "")
	if err := os.Remove(filepath.Join(s.dir, gone.File)); err != nil {
		t.Fatal(err)
	}
	fresh := s.pack("libone", "1.10", "")
	source, pins := s.source(), pinned(gone, kept)
	var stale *StaleError
	if root, err := source.Root(t.Context(), pins); !errors.As(err, &stale) {
		t.Fatalf("got %s, %v; want a StaleError", root, err)
	}
	got, err := source.Renew(t.Context(), pins)
	if err != nil {
		t.Fatal(err)
	}
	if want := pinned(fresh, kept); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("renewed are %v, want %v", got, want)
	}
	if pins.Packages[0] != gone {
		t.Error("the old pins were written over")
	}
	root, err := source.RootOfToday(t.Context(), pins)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(root, "usr/share/libone/file")); err != nil || string(text) != "1.10" {
		t.Errorf("unpacked is %q, %v; want 1.10", text, err)
	}
}

// A package that the suite has no more is no reason to leave it out.
func TestRenewNamesWhatIsGone(t *testing.T) {
	s := shelf{t, t.TempDir()}
	there := s.pack("libone", "1", "")
	got, err := s.source().Renew(t.Context(), pinned(there, Pin{Name: "libtwo", Suite: unreleased}))
	if err == nil || !strings.Contains(err.Error(), "libtwo") {
		t.Errorf("got %v, %v; want an error that names libtwo", got, err)
	}
}

// What apt says of sources is told apart by suite: other people's archives are
// asked nothing.
func TestArchivesOfApt(t *testing.T) {
	var a archives
	a.read([]byte(strings.Join([]string{
		"'https://node.example.com/node_20.x/dists/nodistro/InRelease' node 0 ",
		"'http://mirror.example.com/debian/dists/trixie/InRelease' mirror 0 ",
		"'http://mirror.example.com/debian/dists/trixie-updates/InRelease' mirror 0 ",
		"'http://mirror.example.com/debian-security/dists/trixie-security/main/binary-amd64/Packages.xz' mirror 0 ",
		"'http://cloud.example.com/apt/dists/cloud-sdk-trixie/InRelease' cloud 0 ", ""}, "\n")), "trixie")
	a.further = []string{"copy:/srv/kept/"}
	want := []string{"http://mirror.example.com/debian", "http://mirror.example.com/debian-security", "copy:/srv/kept"}
	if got := a.all(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The pins are spelled as apt prints them, escapes undone.
func TestReadURIs(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	got, err := readURIs([]byte("'http://mirror.example.com/debian/pool/main/z/zlib/zlib1g_1.3%2breally1%7e2_amd64.deb' zlib1g_1%3a1.3+really1~2_amd64.deb 88720 SHA256:"+sum+"\n"), "trixie")
	want := Pin{Name: "zlib1g", Suite: "trixie", Version: "1:1.3+really1~2", File: "pool/main/z/zlib/zlib1g_1.3+really1~2_amd64.deb", SHA256: sum}
	if err != nil || got["zlib1g"] != want {
		t.Errorf("got %v, %v; want %v", got["zlib1g"], err, want)
	}
	if uri := inArchive("http://mirror.example.com/debian", want.File); !strings.HasSuffix(uri, "/pool/main/z/zlib/zlib1g_1.3%2breally1%7e2_amd64.deb") {
		t.Errorf("asked for is %s", uri)
	}
	if got, err := readURIs([]byte("'http://mirror.example.com/a.deb' a_1_amd64.deb 1 MD5Sum:00\n"), "trixie"); err == nil {
		t.Errorf("got %v from a line without a SHA-256", got)
	}
}
