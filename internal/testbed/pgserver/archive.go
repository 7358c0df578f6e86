package pgserver

import (
	"archive/zip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
)

// download gets the jar with Maven's own client and checks its sum.
func download(ctx context.Context, a artifact, path string) error {
	dir := path + ".d"
	return cache.Pinned(coordinates+":"+a.version, exec.CommandContext(ctx, "mvn", "-B", "-q", "dependency:copy",
		"-Dartifact="+coordinates+":"+a.version, "-DoutputDirectory="+dir), dir, "*.jar", a.sum, path)
}

// unpackJar unpacks the archive inside the jar into dir.
func unpackJar(ctx context.Context, jar, dir string) error {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return fmt.Errorf("open %s: %w", jar, err)
	}
	defer z.Close()
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".txz") {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("unpack %s: %w", jar, err)
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
		defer r.Close()
		cmd := exec.CommandContext(ctx, "tar", "-xJ", "--no-same-owner", "-C", dir)
		cmd.Stdin = r
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", f.Name, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	return fmt.Errorf("unpack %s: there is no .txz in it", jar)
}

// installExtension copies the fixture's extension into a server.
func installExtension(from, to string) error {
	for _, pattern := range []string{"*.control", "*.sql"} {
		files, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil {
			return fmt.Errorf("find the extension's files: %w", err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return fmt.Errorf("install the extension: %w", err)
			}
			if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), data, 0o644); err != nil {
				return fmt.Errorf("install the extension: %w", err)
			}
		}
	}
	return nil
}
