package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// platform is what a binary runs on, as Go names it.
type platform struct{ system, machine string }

// imagePlatform is the one the image is made for.
var imagePlatform = platform{"linux", "amd64"}

// released are the platforms that a release has a binary for.
var released = []platform{imagePlatform, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

// compiler makes the binary of one platform.
type compiler func(ctx context.Context, o options, p platform, out string) error

// checksums is the file that sha256sum --check reads.
const checksums = "SHA256SUMS"

// release writes the binaries of a version and their checksums to a folder that
// is not there yet: what lay in it would be taken for this version's.
func release(ctx context.Context, o options, compile compiler) error {
	if o.version == "" {
		return errors.New("name the version that is released: make release VERSION=1.2.3")
	}
	if _, err := os.Lstat(o.binaries); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; remove it first", o.binaries)
	}
	folder, err := filepath.Abs(o.binaries) // the compiler runs in another one
	if err != nil {
		return fmt.Errorf("write the binaries: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write the binaries: %w", err)
	}
	var sums strings.Builder
	for _, p := range released {
		name := fmt.Sprintf("circleci-dr-%s-%s-%s", o.version, p.system, p.machine)
		if err := compile(ctx, o, p, filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("%s/%s: %w", p.system, p.machine, err)
		}
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return fmt.Errorf("sum up %s: %w", name, err)
		}
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name)
		sums.WriteString(line)
		fmt.Print(line)
	}
	if err := os.WriteFile(filepath.Join(folder, checksums), []byte(sums.String()), 0o644); err != nil {
		return fmt.Errorf("write the checksums: %w", err)
	}
	return nil
}
