// Package product says what the product's image holds: its static binary, the
// pg_dumps that movers run, with their libraries, the roots that TLS trusts, and
// names for users. There is no shell and no package manager, because nothing
// needs them.
package product

import (
	"bytes"
	"debug/elf"
	_ "embed" // the pins
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/image/debian"
)

const (
	// User is the user and group that the image runs as.
	User = "1001"
	// Binary is the product in the image.
	Binary = "/usr/bin/circleci-dr"
	// Bundle is where Go's crypto/x509 and OpenSSL look for the roots.
	Bundle = "/etc/ssl/certs/ca-certificates.crt"
)

// PostgreSQL are the majors of the pg_dumps: a pg_dump refuses servers that are
// newer, and of those that fit the mover takes the oldest.
var PostgreSQL = []string{"17", "18"}

// Environment is what a container is given.
var Environment = []string{"PATH=/usr/bin:/usr/sbin", "LANG=C.UTF-8"}

// Texts are files that are written for the image. pg_dump and Go look up users
// and hosts by them; scanners know by os-release whose packages these are.
var Texts = map[string]string{
	"/etc/passwd":        "root:x:0:0:root:/:/usr/sbin/nologin\ncircleci-dr:x:1001:1001::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
	"/etc/group":         "root:x:0:\ncircleci-dr:x:1001:\nnogroup:x:65534:\n",
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	"/etc/os-release":    "ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\nPRETTY_NAME=\"circleci-dr, from packages of Debian\"\n",
}

// DumpPath is where a major's pg_dump lies, in the packages and in the image:
// where movers look for one.
func DumpPath(major string) string { return "/usr/lib/postgresql/" + major + "/bin/pg_dump" }

//go:embed pins.json
var pinned []byte

// Pins are the packages that the image is made of; make image-pins renews them.
func Pins() (debian.Pins, error) { return debian.Parse(pinned) }

// About is what the image says of itself.
type About struct {
	Version string
	// Revision is the commit, Created its time; empty and zero where unknown.
	Revision string
	Created  time.Time
}

const source = "https://github.com/circleci-dr/circleci-dr"

func (a About) annotations() map[string]string {
	out := map[string]string{
		v1.AnnotationTitle:         "circleci-dr",
		v1.AnnotationDescription:   "Disaster recovery for a self-hosted CircleCI Server: command, movers and engine",
		v1.AnnotationLicenses:      "Apache-2.0",
		v1.AnnotationURL:           source,
		v1.AnnotationSource:        source,
		v1.AnnotationDocumentation: source + "/blob/main/docs/image.md",
		v1.AnnotationVersion:       a.Version,
	}
	if a.Revision != "" {
		out[v1.AnnotationRevision] = a.Revision
	}
	if !a.Created.IsZero() {
		out[v1.AnnotationCreated] = a.Created.UTC().Format(time.RFC3339)
	}
	return out
}

// Image is the image of a binary, with what the packages unpacked below root
// bring. The packages are a layer of their own, which stays the same from
// version to version as long as their pins do.
func Image(binary, root string, about About) (image.Image, error) {
	if err := static(binary); err != nil {
		return image.Image{}, err
	}
	base, err := packages(root)
	if err != nil {
		return image.Image{}, err
	}
	own := image.NewLayer()
	own.File(binary, Binary)
	own.Close(base)
	return image.Image{
		Layers: []*image.Layer{base, own}, Env: Environment, Entrypoint: []string{Binary}, User: User,
		Created: about.Created, About: about.annotations(), Gzip: true,
	}, nil
}

// Tools is the image without the product: the pg_dumps with their libraries, for
// tests that run them elsewhere.
func Tools(root string) (image.Image, error) {
	base, err := packages(root)
	return image.Image{Layers: []*image.Layer{base}}, err
}

// packages is the layer of what the packages unpacked below root bring.
func packages(root string) (*image.Layer, error) {
	l := image.NewRoot()
	l.From(root)
	for _, major := range PostgreSQL {
		l.File(DumpPath(major), DumpPath(major))
	}
	for file, text := range Texts {
		l.Text(file, text)
	}
	bundle, err := roots(root)
	if err != nil {
		return nil, err
	}
	l.Text(Bundle, bundle)
	if err := addRecords(l, root); err != nil {
		return nil, err
	}
	l.Close()
	return l, nil
}

// static refuses a binary that a dynamic linker would have to start: it would
// run with the libraries of pg_dump, or not at all.
func static(binary string) error {
	f, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("look into the product: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("%s is not static: build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}

// roots is the bundle of ca-certificates, which the package makes when it is
// installed: all its certificates, one after the other.
func roots(root string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, "usr/share/ca-certificates/mozilla/*.crt")) // sorted
	if err != nil {
		return "", fmt.Errorf("find the roots of TLS: %w", err)
	}
	if len(files) == 0 {
		return "", errors.New("find the roots of TLS: the packages bring none")
	}
	var out bytes.Buffer
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read a root of TLS: %w", err)
		}
		out.Write(append(bytes.TrimRight(data, "\n"), '\n'))
	}
	return out.String(), nil
}

// addRecords adds each package's licence, which goes with every copy of it, and
// what a scanner reads its version from.
func addRecords(l *image.Layer, root string) error {
	files, err := os.ReadDir(filepath.Join(root, debian.StatusDir))
	if err != nil {
		return fmt.Errorf("read which packages there are: %w", err)
	}
	for _, f := range files {
		for _, file := range []string{path.Join("/", debian.StatusDir, f.Name()), "/usr/share/doc/" + f.Name() + "/copyright"} {
			l.File(file, file)
		}
	}
	return nil
}

// Tag turns a version into a tag: a development build of a changed tree has a
// plus, which tags may not have.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "-") }
