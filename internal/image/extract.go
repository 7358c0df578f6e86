package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Extract writes what is in the image to a folder, the layers one over the
// other. The folder must not be there: what lay in it would be in the image.
func (img Image) Extract(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("write the image to a folder: %w", err)
	}
	for _, l := range img.Layers {
		r, w := io.Pipe()
		go func() { _ = w.CloseWithError(l.Write(w)) }() // never fails; the reader sees what write says
		err := extract(r, dir)
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("write the image to %s: %w", dir, err)
		}
	}
	return nil
}

func extract(r io.Reader, dir string) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			if err = os.MkdirAll(to, 0o755); err == nil { // the sticky bit and the umask
				err = os.Chmod(to, h.FileInfo().Mode())
			}
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, to)
		default:
			err = extractFile(t, to, h.FileInfo().Mode())
		}
		if err != nil {
			return err
		}
	}
}

func extractFile(r io.Reader, to string, mode os.FileMode) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Chmod(mode), f.Close())
}
