package image

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// libraryDirs is where the dynamic linker looks when a binary does not say
// otherwise; the image has the same directories.
var libraryDirs = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// Close adds the libraries that the layer's binaries need and that the layers
// below do not have, and the missing parent directories.
func (l *Layer) Close(below ...*Layer) {
	queue := make([]string, 0, len(l.elves))
	for source := range l.elves {
		queue = append(queue, source)
	}
	slices.Sort(queue)
	for len(queue) > 0 && l.err == nil {
		source := queue[0]
		queue = queue[1:]
		found, err := l.needs(source, below)
		if err != nil {
			l.fail(err)
			return
		}
		queue = append(queue, found...)
	}
	l.parents(below...)
}

// needs adds the libraries that one binary names and returns the new ones.
func (l *Layer) needs(source string, below []*Layer) ([]string, error) {
	b, err := readBinary(source)
	if err != nil || b == nil {
		return nil, err
	}
	var added []string
	for _, want := range b.libraries {
		if l.given(want) {
			continue
		}
		from, to, ok := l.resolve(source, want, b.runpath)
		if !ok {
			return nil, fmt.Errorf("add %s to an image: its library %s is not %s", source, want, l.where())
		}
		if l.has(to, below) {
			continue
		}
		real, err := l.real(from)
		if err != nil {
			return nil, fmt.Errorf("add the library %s to an image: %w", from, err)
		}
		l.nodes[to] = node{source: real, mode: 0o755}
		l.elves[real] = to
		added = append(added, real)
	}
	return added, nil
}

// given says whether the layer was given the library itself, for a binary that
// asks for one this machine does not have.
func (l *Layer) given(want string) bool {
	return slices.ContainsFunc(libraryDirs, func(dir string) bool {
		_, ok := l.nodes[merged(filepath.Join(dir, want))]
		return ok
	})
}

// resolve finds a library as the dynamic linker would: absolute names as they
// are, then the binary's run path, then the usual directories. to is its path
// in the image, which for a run path is relative to the binary's own.
func (l *Layer) resolve(source, want string, runpath []string) (from, to string, ok bool) {
	if filepath.IsAbs(want) {
		from = l.inRoot(want)
		return from, merged(want), l.there(from)
	}
	for _, dir := range runpath {
		origin := strings.TrimPrefix(filepath.Dir(source), l.root)
		from = l.inRoot(filepath.Join(strings.ReplaceAll(dir, "$ORIGIN", origin), want))
		if l.there(from) {
			inside := strings.ReplaceAll(dir, "$ORIGIN", filepath.Dir(l.elves[source]))
			return from, merged(filepath.Join(inside, want)), true
		}
	}
	for _, dir := range libraryDirs {
		from = l.inRoot(filepath.Join(dir, want))
		if l.there(from) {
			return from, merged(filepath.Join(dir, want)), true
		}
	}
	return "", "", false
}

// inRoot is where a tree of packages has a path: packages know only the merged
// one, and the links that make /lib and the like are not theirs.
func (l *Layer) inRoot(p string) string {
	if l.root == "" {
		return p
	}
	return merged(p)
}

func (l *Layer) there(file string) bool {
	_, err := os.Stat(filepath.Join(l.root, file))
	return err == nil
}

func (l *Layer) where() string {
	if l.root == "" {
		return "on this machine"
	}
	return "in " + l.root
}

type binary struct {
	libraries []string // and the dynamic linker itself
	runpath   []string
}

// readBinary reads what a dynamic ELF file asks for; nil for any other file.
func readBinary(source string) (*binary, error) {
	magic := make([]byte, 4)
	raw, err := os.Open(source)
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", source, err)
	}
	defer raw.Close()
	if _, err := io.ReadFull(raw, magic); err != nil || !bytes.Equal(magic, []byte(elf.ELFMAG)) {
		return nil, nil // too short or something else: no binary
	}
	f, err := elf.NewFile(raw)
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", source, err)
	}
	b := &binary{}
	if b.libraries, err = f.ImportedLibraries(); err != nil {
		return nil, fmt.Errorf("look into %s: %w", source, err)
	}
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			return nil, fmt.Errorf("look into %s: %w", source, err)
		}
		for _, p := range paths {
			b.runpath = append(b.runpath, strings.Split(p, ":")...)
		}
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, fmt.Errorf("look into %s: %w", source, err)
			}
			b.libraries = append(b.libraries, strings.TrimRight(string(name), "\x00"))
		}
	}
	return b, nil
}
