package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Source fetches packages and keeps them.
type Source struct {
	// Cache is a folder for packages and what they unpack to, by their SHA-256.
	Cache string
	// Note hears what is done, for people.
	Note func(string)
	// find finds the archives; nil reads apt's own sources.
	find func(context.Context) (archives, error)
}

// DefaultCache is the Cache of whoever has no other wish.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	return filepath.Join(dir, "circleci-dr-image"), nil
}

func (s Source) archives(ctx context.Context) (archives, error) {
	if s.find != nil {
		return s.find(ctx)
	}
	return findArchives(ctx)
}

// Root is a folder with all the packages unpacked into it. Where some cannot be
// had, it is a StaleError that names all of them.
func (s Source) Root(ctx context.Context, pins Pins) (string, error) {
	root := filepath.Join(s.Cache, "root-"+pins.Key())
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	files, err := s.fetch(ctx, pins)
	if err != nil {
		return "", err
	}
	if err := checkRelations(ctx, pins, files); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(s.Cache, "root-*.tmp")
	if err != nil {
		return "", fmt.Errorf("unpack the packages: %w", err)
	}
	defer os.RemoveAll(tmp) // renamed away when all went well
	for i, file := range files {
		if err := unpack(ctx, file, pins.Packages[i].Name, tmp); err != nil {
			return "", fmt.Errorf("unpack %s: %w", pins.Packages[i], err)
		}
	}
	err = os.Rename(tmp, root)
	if _, there := os.Stat(root); there == nil {
		return root, nil // by us, or by somebody who was quicker
	}
	return "", fmt.Errorf("keep the unpacked packages: %w", err)
}

// RootOfToday is Root for tests, which must not fail because Debian moved on:
// where pinned packages are gone it goes on with the newest, and says so.
func (s Source) RootOfToday(ctx context.Context, pins Pins) (string, error) {
	root, err := s.Root(ctx, pins)
	var gone *StaleError
	if !errors.As(err, &gone) {
		return root, err
	}
	s.Note(gone.Error())
	s.Note("going on with the newest packages; an image to publish is not made of them")
	fresh, err := s.Renew(ctx, pins)
	if err != nil {
		return "", err
	}
	return s.Root(ctx, fresh)
}

// unpack unpacks one package, and keeps what dpkg would know of it where
// scanners of images without dpkg's database look.
func unpack(ctx context.Context, file, name, root string) error {
	if _, err := run(exec.CommandContext(ctx, "dpkg-deb", "-x", file, root)); err != nil {
		return err
	}
	control, err := run(exec.CommandContext(ctx, "dpkg-deb", "-f", file))
	if err != nil {
		return err
	}
	dir := filepath.Join(root, StatusDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), control, 0o644)
}

// StatusDir holds a file for each package, with its control fields: where
// scanners look in images that have no dpkg (as in those of distroless).
const StatusDir = "var/lib/dpkg/status.d"

// fetch gives the files of all packages, in their order.
func (s Source) fetch(ctx context.Context, pins Pins) ([]string, error) {
	if err := os.MkdirAll(s.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache of packages: %w", err)
	}
	var files []string
	var missing []Missing
	var from []string
	for _, p := range pins.Packages {
		file := filepath.Join(s.Cache, p.SHA256+".deb")
		files = append(files, file)
		if _, err := os.Stat(file); err == nil {
			continue // it got this name when its sum was right
		}
		if from == nil {
			found, err := s.archives(ctx)
			if err != nil {
				return nil, err
			}
			from = found.all()
		}
		if err := s.download(ctx, p, from, file); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			missing = append(missing, Missing{p, err})
		}
	}
	return files, stale(missing)
}

// download asks one archive after the other for a package, with apt's own
// downloader, which holds it against the sum.
func (s Source) download(ctx context.Context, p Pin, from []string, to string) error {
	tmp, err := os.MkdirTemp(s.Cache, "deb-*.tmp")
	if err != nil {
		return fmt.Errorf("fetch %s: %w", p, err)
	}
	defer os.RemoveAll(tmp) // a leftover is nothing anybody reads
	s.Note("fetching " + p.String())
	var errs []error
	for _, base := range from {
		got := filepath.Join(tmp, "package.deb")
		// Its sandbox could not write here, and the sum is what is trusted.
		_, err := run(exec.CommandContext(ctx, "/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root",
			"download-file", inArchive(base, p.File), got, "SHA256:"+p.SHA256))
		if err == nil {
			return os.Rename(got, to)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
