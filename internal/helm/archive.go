package helm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/registry"
)

// Archive is the chart as bytes that another machine can load, where it is a
// directory or an archive on this one; nil where it is neither. What is loaded
// from it has the same digest.
func (c *Client) Archive() ([]byte, error) {
	ref := c.source.ref
	if ref == "" || registry.IsOCI(ref) {
		return nil, nil
	}
	data, err := archiveOf(ref)
	if err != nil {
		return nil, fmt.Errorf("pack chart %s: %w", ref, err)
	}
	return data, nil
}

func archiveOf(ref string) ([]byte, error) {
	info, err := os.Stat(ref)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		ch, err := loadDirectory(ref)
		if err != nil {
			return nil, err
		}
		return pack(ch)
	}
	f, err := os.Open(ref)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxArchive+1))
	if err == nil && len(data) > maxArchive {
		err = fmt.Errorf("the archive has more than the %d bytes allowed", maxArchive)
	}
	return data, err
}

// pack writes the files as they were read. Helm's own packing writes some of
// them anew, which would make another chart of it.
func pack(ch *chart.Chart) ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	for _, f := range ch.Raw {
		head := &tar.Header{Name: path.Join(ch.Name(), f.Name), Mode: 0o644, Size: int64(len(f.Data)), Typeflag: tar.TypeReg}
		if err := files.WriteHeader(head); err != nil {
			return nil, err
		}
		if _, err := files.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := files.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
