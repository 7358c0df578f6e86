package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/image/debian"
	"github.com/circleci-dr/circleci-dr/internal/image/product"
)

// build makes the binary, gathers the packages and writes what was asked for.
func build(ctx context.Context, o options, source debian.Source, pins debian.Pins) error {
	dir, err := os.MkdirTemp("", "circleci-dr-image-")
	if err != nil {
		return fmt.Errorf("make a folder for the binary: %w", err)
	}
	defer os.RemoveAll(dir) // a leftover is nothing anybody reads
	binary := filepath.Join(dir, "circleci-dr")
	if err := compile(ctx, o, imagePlatform, binary); err != nil {
		return err
	}
	says, err := ask(ctx, binary)
	if err != nil {
		return err
	}
	root, err := o.unpack(ctx, source, pins)
	if err != nil {
		return err
	}
	about := commit(ctx, o.repository)
	about.Version = says.Version
	img, err := product.Image(binary, root, about)
	if err != nil {
		return err
	}
	if o.tree != "" {
		if err := img.Extract(o.tree); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	return write(o, img, says, binary)
}

// tools writes what is in the image beside the product.
func tools(ctx context.Context, o options, source debian.Source, pins debian.Pins) error {
	root, err := o.unpack(ctx, source, pins)
	if err != nil {
		return err
	}
	img, err := product.Tools(root)
	if err != nil {
		return err
	}
	return img.Extract(o.tools)
}

func (o options) unpack(ctx context.Context, source debian.Source, pins debian.Pins) (root string, err error) {
	if o.newest {
		return source.RootOfToday(ctx, pins)
	}
	return source.Root(ctx, pins)
}

// compile makes the binary as every release is made: static, stripped, and the
// same bytes wherever it is made.
func compile(ctx context.Context, o options, p platform, out string) error {
	ldflags := "-s -w -buildid="
	if o.version != "" {
		ldflags += " -X main.version=" + o.version
	}
	stamp := "-buildvcs=false"
	if _, err := os.Stat(filepath.Join(o.repository, ".git")); err == nil {
		stamp = "-buildvcs=true"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-mod=readonly", stamp, "-ldflags", ldflags, "-o", out, "./cmd/circleci-dr")
	cmd.Dir = o.repository
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.system, "GOARCH="+p.machine, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the product: %w", err)
	}
	return nil
}

// said is what the product says of itself; Image is empty in a development
// build, for which none is published.
type said struct{ Version, Image string }

func ask(ctx context.Context, binary string) (said, error) {
	var s said
	out, err := exec.CommandContext(ctx, binary, "version", "--output", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err == nil && s.Version == "" {
		err = errors.New("it does not say")
	}
	if err != nil {
		return s, fmt.Errorf("ask the product for its version: %w", err)
	}
	return s, nil
}

// commit is what git says of the checkout. Without git it is nothing, and the
// image does not say.
func commit(ctx context.Context, repository string) product.About {
	out, err := exec.CommandContext(ctx, "git", "-C", repository, "log", "-1", "--format=%H %ct").Output()
	if err != nil {
		return product.About{}
	}
	revision, seconds, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return product.About{}
	}
	return product.About{Revision: revision, Created: time.Unix(at, 0).UTC()}
}

// write writes the archive and says what it is.
func write(o options, img image.Image, says said, binary string) (err error) {
	built, err := image.Build(img)
	if err != nil {
		return err
	}
	name := says.Image
	if name == "" {
		name = "localhost/circleci-dr:" + product.Tag(says.Version)
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	f, err := os.Create(o.out + ".tmp")
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	defer f.Close() // closed before, unless something failed
	if err := built.Write(f, name); err != nil {
		return err
	}
	size, err := f.Stat()
	if err == nil {
		err = errors.Join(f.Close(), os.Rename(o.out+".tmp", o.out))
	}
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	compiled, err := os.Stat(binary)
	if err != nil {
		return fmt.Errorf("measure the binary: %w", err)
	}
	fmt.Printf("image    %s\ndigest   %s\narchive  %s, %.1f MiB\nbinary   %.1f MiB, static\n",
		name, built.Digest, o.out, mib(size.Size()), mib(compiled.Size()))
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
