package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// files reads an archive into memory.
func files(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// blobOf is what a descriptor describes, held against it.
func blobOf(t *testing.T, in map[string][]byte, d v1.Descriptor) []byte {
	t.Helper()
	data, ok := in["blobs/sha256/"+d.Digest.Encoded()]
	if !ok || digest.FromBytes(data) != d.Digest || int64(len(data)) != d.Size {
		t.Fatalf("the blob %s of %d bytes is not there, or is another: %d bytes", d.Digest, d.Size, len(data))
	}
	return data
}

func decode[T any](t *testing.T, data []byte) (out T) {
	t.Helper()
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return out
}

// Who follows the OCI layout, and who knows docker save only, finds the same
// layers, and each is what its digest says.
func TestArchiveIsALayout(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("gzip %t", compress), func(t *testing.T) {
			img := sample(t, t.TempDir())
			img.Gzip, img.About = compress, map[string]string{v1.AnnotationTitle: "a test"}
			id, data := archive(t, img)
			in := files(t, data)
			if layout := decode[v1.ImageLayout](t, in["oci-layout"]); layout.Version != "1.0.0" {
				t.Errorf("the layout is %v", layout)
			}
			index := decode[v1.Index](t, in["index.json"])
			if len(index.Manifests) != 1 || index.Manifests[0].Digest.String() != id {
				t.Fatalf("the index names %v, want %s alone", index.Manifests, id)
			}
			if got := index.Manifests[0].Annotations; got["io.containerd.image.name"] != "docker.io/tb/test:1" || got[v1.AnnotationRefName] != "1" {
				t.Errorf("it is called %v", got)
			}
			manifest := decode[v1.Manifest](t, blobOf(t, in, index.Manifests[0]))
			config := decode[v1.Image](t, blobOf(t, in, manifest.Config))
			if config.Config.User != "1001" || config.Config.Labels[v1.AnnotationTitle] != "a test" || manifest.Annotations[v1.AnnotationTitle] != "a test" {
				t.Errorf("got %+v and %v", config.Config, manifest.Annotations)
			}
			docker := decode[[]struct {
				Config string
				Layers []string
			}](t, in["manifest.json"])
			if docker[0].Config != "blobs/sha256/"+manifest.Config.Digest.Encoded() || len(docker[0].Layers) != len(manifest.Layers) {
				t.Errorf("manifest.json names %v", docker)
			}
			for i, l := range manifest.Layers {
				content := blobOf(t, in, l)
				if compress {
					content = gunzip(t, content)
				}
				if digest.FromBytes(content) != config.RootFS.DiffIDs[i] {
					t.Errorf("layer %d is not %s", i, config.RootFS.DiffIDs[i])
				}
				if docker[0].Layers[i] != "blobs/sha256/"+l.Digest.Encoded() {
					t.Errorf("manifest.json has another layer %d: %s", i, docker[0].Layers[i])
				}
			}
			if want := 5 + len(manifest.Layers) + 2; len(in) != want { // three files, manifest, config, layers, two folders
				t.Errorf("%d entries, want %d: nothing that nobody points at", len(in), want)
			}
		})
	}
}

func gunzip(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" {
		t.Errorf("the layer tells when or from what it was compressed: %v %q", z.ModTime, z.Name)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whether a file can be run is all that an image takes of its mode.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	l := NewLayer()
	for name, mode := range map[string]os.FileMode{"setuid": 0o755 | os.ModeSetuid, "private": 0o600, "mine": 0o700, "shared": 0o664} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		l.File(file, "/"+name)
	}
	for name, want := range map[string]int64{"/setuid": 0o755, "/private": 0o644, "/mine": 0o755, "/shared": 0o644} {
		if got := l.nodes[name].mode; got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

// What comes from unpacked packages never comes from this machine, whose files
// of the same name are others.
func TestFromARoot(t *testing.T) {
	root := t.TempDir()
	put := func(file string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put("/usr/bin/cat")
	l := NewRoot()
	l.From(root)
	l.File("/usr/bin/cat", "/usr/bin/cat")
	l.Close()
	if l.err == nil || !strings.Contains(l.err.Error(), "its library libc.so.6 is not in "+root) {
		t.Errorf("got %v, want that libc.so.6 is not there", l.err)
	}
	put("/usr/lib/x86_64-linux-gnu/libc.so.6")
	put("/usr/lib64/ld-linux-x86-64.so.2")
	l = NewRoot()
	l.From(root)
	l.File("/usr/bin/cat", "/usr/bin/cat")
	l.Close()
	for _, want := range []string{"/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/ld-linux-x86-64.so.2"} {
		if got := l.Source(want); got != filepath.Join(l.root, want) {
			t.Errorf("%s comes from %q", want, got)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	l.File("/out", "/out")
	if l.err == nil || !strings.Contains(l.err.Error(), "it leads out of") {
		t.Errorf("got %v, want that the link leads out", l.err)
	}
}

// A Dockerfile gets the same files, modes and links.
func TestExtract(t *testing.T) {
	img := sample(t, t.TempDir())
	dir := filepath.Join(t.TempDir(), "tree")
	if err := img.Extract(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"usr/bin/tool": "-rwxr-xr-x", "opt/tree/a/f": "-rw-r--r--", "tmp": "dtrwxrwxrwx", "bin": "Lrwxrwxrwx"} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Mode().String() != want {
			t.Errorf("%s: %v, %v; want %s", name, info.Mode(), err, want)
		}
	}
	if to, err := os.Readlink(filepath.Join(dir, "opt/tree/a/l")); err != nil || to != "f" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if err := img.Extract(dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v over what is there, want that it is there", err)
	}
}
