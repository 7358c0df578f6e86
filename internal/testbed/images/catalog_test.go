package images

import (
	"path/filepath"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
)

// mongod asks for an OpenSSL that the distribution has no more; the image has
// the one it is given, and what that needs.
func TestMongoDBBringsItsOpenSSL(t *testing.T) {
	store, err := cache.Open()
	if err != nil {
		t.Fatal(err)
	}
	extension, err := filepath.Abs("../seed/extension")
	if err != nil {
		t.Fatal(err)
	}
	source := mongoserver.Source{Cache: store, PostgreSQL: pgserver.Source{Cache: store, Extension: extension}}
	dir, err := source.Fetch(t.Context(), "4.4", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	img := NewBase(pgserver.ClientDir).MongoDB(dir, "/bin/true")
	if _, err := image.Build(img); err != nil {
		t.Fatal(err)
	}
	server := img.Layers[2]
	for to, from := range map[string]string{
		"/usr/bin/mongod":                            dir + "/bin/mongod",
		"/usr/lib/x86_64-linux-gnu/libssl.so.1.1":    dir + "/lib/libssl.so.1.1",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.1.1": dir + "/lib/libcrypto.so.1.1",
	} {
		if got := server.Source(to); got != from {
			t.Errorf("%s comes from %q, want %s", to, got, from)
		}
	}
}
