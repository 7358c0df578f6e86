package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sample(t *testing.T, dir string) Image {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tree/a/skip"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tree/a/f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", filepath.Join(dir, "tree/a/l")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	base := NewRoot()
	base.Text("/etc/passwd", "root\n")
	base.Close()
	top := NewLayer()
	top.File(filepath.Join(dir, "tool"), "/bin/tool")
	top.Tree(filepath.Join(dir, "tree"), "/opt/tree", "skip")
	top.Close(base)
	return Image{Layers: []*Layer{base, top}, Entrypoint: []string{"/bin/tool"}, User: "1001"}
}

func archive(t *testing.T, img Image) (string, []byte) {
	t.Helper()
	b, err := Build(img)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.Write(&out, "docker.io/tb/test:1"); err != nil {
		t.Fatal(err)
	}
	return b.Digest.String(), out.Bytes()
}

// The same content in another place and of another time is the same image.
func TestSameContentSameBytes(t *testing.T) {
	dir := t.TempDir()
	digest1, bytes1 := archive(t, sample(t, dir))
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "tool"), later, later); err != nil {
		t.Fatal(err)
	}
	digest2, bytes2 := archive(t, sample(t, t.TempDir()))
	if digest1 != digest2 || !bytes.Equal(bytes1, bytes2) {
		t.Errorf("digests %s and %s, equal bytes: %v", digest1, digest2, bytes.Equal(bytes1, bytes2))
	}
	img := sample(t, dir)
	img.Layers[1].Text("/opt/more", "")
	if digest3, _ := archive(t, img); digest3 == digest1 {
		t.Errorf("another content has the same digest %s", digest3)
	}
}

func TestLayerContent(t *testing.T) {
	img := sample(t, t.TempDir())
	var out bytes.Buffer
	if err := img.Layers[1].Write(&out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %s", h.Name, h.Mode, h.Linkname))
	}
	want := []string{"opt/ 755 ", "opt/tree/ 755 ", "opt/tree/a/ 755 ", "opt/tree/a/f 644 ", "opt/tree/a/l 777 f", "usr/bin/tool 755 "}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A dynamic binary brings the dynamic linker and libraries, except those that
// a lower layer has.
func TestLibraries(t *testing.T) {
	lower := NewRoot()
	lower.File("/bin/cat", "/bin/cat")
	lower.Close()
	for _, want := range []string{"/usr/bin/cat", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/ld-linux-x86-64.so.2"} {
		if _, ok := lower.nodes[want]; !ok {
			t.Errorf("the lower layer lacks %s", want)
		}
	}
	upper := NewLayer()
	upper.File("/bin/ls", "/bin/ls")
	upper.Close(lower)
	for p := range upper.nodes {
		if _, both := lower.nodes[p]; both {
			t.Errorf("%s is in both layers", p)
		}
	}
	if _, ok := upper.nodes["/usr/lib/x86_64-linux-gnu/libselinux.so.1"]; !ok {
		t.Error("the upper layer lacks libselinux.so.1, which ls needs")
	}
}

func TestMissingFileIsAnError(t *testing.T) {
	l := NewLayer()
	l.File("/does/not/exist", "/x")
	_, err := Build(Image{Layers: []*Layer{l}})
	want := "add /does/not/exist to an image: lstat /does: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
