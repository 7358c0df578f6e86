package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// nameForContainerd is the annotation by which containerd, and Docker with its
// image store, know what an imported image is called: images.AnnotationImageName
// of containerd's core/images.
const nameForContainerd = "io.containerd.image.name"

// part is one file of an archive.
type part struct {
	size  int64
	write func(io.Writer) error
}

func bytesPart(data []byte) part {
	return part{int64(len(data)), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	}}
}

// Write writes the image as an OCI image layout in a tar
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md). It
// also has the manifest.json of "docker save", which points at the same blobs:
// older engines and crane's tarballs know nothing else. The name is a whole
// one, with its registry.
func (b Built) Write(w io.Writer, name string) error {
	parts, err := b.parts(name)
	if err != nil {
		return fmt.Errorf("write the image %s: %w", name, err)
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	t := tar.NewWriter(buffered)
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := t.WriteHeader(&tar.Header{Name: dir, Mode: 0o755, ModTime: Epoch, Typeflag: tar.TypeDir}); err != nil {
			return fmt.Errorf("write the image %s: %w", name, err)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(parts)) {
		p := parts[file]
		err := t.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: p.size, ModTime: Epoch, Typeflag: tar.TypeReg})
		if err == nil {
			err = p.write(t)
		}
		if err != nil {
			return fmt.Errorf("write %s of the image %s: %w", file, name, err)
		}
	}
	return errors.Join(t.Close(), buffered.Flush())
}

func blobPath(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

func (b Built) parts(name string) (map[string]part, error) {
	manifest := describe(v1.MediaTypeImageManifest, b.manifest)
	manifest.Platform = &v1.Platform{Architecture: "amd64", OS: "linux"}
	manifest.Annotations = map[string]string{nameForContainerd: name, v1.AnnotationRefName: name[strings.LastIndexByte(name, ':')+1:]}
	config := digest.FromBytes(b.config)
	docker := struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{Config: blobPath(config), RepoTags: []string{name}}
	out := map[string]part{blobPath(b.Digest): bytesPart(b.manifest), blobPath(config): bytesPart(b.config)}
	for _, l := range b.layers {
		docker.Layers = append(docker.Layers, blobPath(l.Digest))
		if l.packed != nil {
			out[blobPath(l.Digest)] = bytesPart(l.packed)
		} else {
			out[blobPath(l.Digest)] = part{l.Size, l.layer.Write}
		}
	}
	for file, value := range map[string]any{
		v1.ImageLayoutFile: v1.ImageLayout{Version: v1.ImageLayoutVersion},
		v1.ImageIndexFile: v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
			Manifests: []v1.Descriptor{manifest}},
		"manifest.json": []any{docker},
	} {
		data, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", file, err)
		}
		out[file] = bytesPart(data)
	}
	return out, nil
}
