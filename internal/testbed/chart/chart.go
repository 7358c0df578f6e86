// Package chart holds the fixture chart circleci-server and packs it into the
// archives that tests and the demo install. It knows files and archives; it
// knows no cluster and no Helm release.
package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Name is the chart's name.
const Name = "circleci-server"

// The versions the chart is packed in. Their templates are the same, so an
// upgrade from one to the other changes labels and nothing else.
const (
	Version     = "4.9.0"
	NextVersion = "4.10.0"
)

// Subcharts are the real names of the dependencies that the release knows by
// the aliases postgresql and mongodb.
var Subcharts = []string{"server-postgres", "server-mongodb"}

//go:embed all:circleci-server
var files embed.FS

// Archive writes the chart at the given version to dir and returns the path of
// the archive. The same chart and version always give the same bytes.
func Archive(dir, version string) (string, error) {
	return pack(dir, Name+"-"+version+".tgz", version, func(string) bool { return true })
}

// ArchiveWithoutSubchart writes an archive as it must never be upgraded with:
// Chart.yaml still names the databases' subcharts, and the archive lacks them.
func ArchiveWithoutSubchart(dir, version string) (string, error) {
	return pack(dir, Name+"-"+version+"-without-subchart.tgz", version, func(name string) bool {
		return !strings.HasPrefix(name, path.Join(Name, "charts")+"/")
	})
}

func pack(dir, base, version string, keep func(string) bool) (string, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	err := fs.WalkDir(files, Name, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !keep(name) {
			return err
		}
		return add(archive, name, version)
	})
	if err != nil {
		return "", fmt.Errorf("pack chart %s %s: %w", Name, version, err)
	}
	if err := archive.Close(); err != nil {
		return "", fmt.Errorf("pack chart %s %s: %w", Name, version, err)
	}
	if err := zip.Close(); err != nil {
		return "", fmt.Errorf("pack chart %s %s: %w", Name, version, err)
	}
	return write(dir, base, out.Bytes())
}

func add(archive *tar.Writer, name, version string) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	if name == path.Join(Name, "Chart.yaml") {
		data = []byte(strings.ReplaceAll(string(data), "ersion: "+Version+"\n", "ersion: "+version+"\n"))
	}
	header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(data)
	return err
}

// write puts the bytes in place by a rename, so that two runs that pack the
// same archive at once never show each other half a file.
func write(dir, base string, data []byte) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make chart directory: %w", err)
	}
	temporary, err := os.CreateTemp(dir, base+".*")
	if err != nil {
		return "", fmt.Errorf("write chart archive %s: %w", base, err)
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(data); err != nil {
		temporary.Close()
		return "", fmt.Errorf("write chart archive %s: %w", base, err)
	}
	if err := temporary.Close(); err != nil {
		return "", fmt.Errorf("write chart archive %s: %w", base, err)
	}
	target := filepath.Join(dir, base)
	if err := os.Chmod(temporary.Name(), 0o644); err != nil {
		return "", fmt.Errorf("write chart archive %s: %w", base, err)
	}
	if err := os.Rename(temporary.Name(), target); err != nil {
		return "", fmt.Errorf("write chart archive %s: %w", base, err)
	}
	return target, nil
}
