package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Write writes the image under the given name as an archive that "ctr images
// import" reads.
func (b Built) Write(w io.Writer, name string) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	t := tar.NewWriter(buffered)
	var files []string
	for _, m := range b.layers {
		files = append(files, m.sum+".tar")
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": b.Digest + ".json", "RepoTags": []string{name}, "Layers": files,
	}})
	if err != nil {
		return fmt.Errorf("encode the manifest of %s: %w", name, err)
	}
	put := func(file string, size int64, write func(io.Writer) error) error {
		err := t.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: size, ModTime: epoch, Typeflag: tar.TypeReg})
		if err != nil {
			return fmt.Errorf("write %s of %s: %w", file, name, err)
		}
		return write(t)
	}
	content := func(data []byte) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.Copy(w, bytes.NewReader(data))
			return err
		}
	}
	if err := put("manifest.json", int64(len(manifest)), content(manifest)); err != nil {
		return err
	}
	if err := put(b.Digest+".json", int64(len(b.config)), content(b.config)); err != nil {
		return err
	}
	for i, m := range b.layers {
		if err := put(files[i], m.size, m.layer.write); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), buffered.Flush())
}
