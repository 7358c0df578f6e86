package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Layer is a tree of files. The first error of any Add is kept and returned by
// Err and when the layer is written.
type Layer struct {
	// root is where files and libraries come from: "" is this machine.
	root  string
	nodes map[string]node
	// elves are the ELF files added, whose libraries Close looks up: host path
	// → image path.
	elves map[string]string
	err   error
}

// node is one entry; exactly one of dir, link, source and data is what it is.
type node struct {
	dir    bool
	link   string
	source string // a file of this machine
	data   []byte
	mode   int64
}

// NewLayer makes an empty layer.
func NewLayer() *Layer {
	return &Layer{nodes: map[string]node{}, elves: map[string]string{}}
}

// NewRoot makes a layer with the directories every image has.
func NewRoot() *Layer {
	l := NewLayer()
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		l.nodes["/"+d] = node{link: "usr/" + d}
		l.Dir("/usr/"+d, 0o755)
	}
	for _, d := range []string{"/etc", "/proc", "/sys", "/dev", "/run", "/var"} {
		l.Dir(d, 0o755)
	}
	l.Dir("/tmp", 0o1777)
	return l
}

// From has the files and libraries added from now on come from the tree below
// root, such as unpacked packages, and not from this machine.
func (l *Layer) From(root string) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		l.fail(fmt.Errorf("find the files of an image: %w", err))
	}
	l.root = real
}

// real is where a file lies on this machine once its links are followed. A link
// that leads out of the layer's root is an error: what it would bring is not
// from there.
func (l *Layer) real(file string) (string, error) {
	found, err := filepath.EvalSymlinks(filepath.Join(l.root, file))
	if err == nil && l.root != "" && !strings.HasPrefix(found, l.root+"/") {
		err = fmt.Errorf("it leads out of %s to %s", l.root, found)
	}
	return found, err
}

// merged maps /bin and the like to /usr/bin: they are links in every image.
func merged(p string) string {
	p = path.Clean("/" + p)
	first, _, _ := strings.Cut(p[1:], "/")
	if slices.Contains([]string{"bin", "sbin", "lib", "lib64"}, first) {
		return "/usr" + p
	}
	return p
}

// Dir adds a directory.
func (l *Layer) Dir(p string, mode int64) { l.nodes[merged(p)] = node{dir: true, mode: mode} }

// Link adds a symbolic link.
func (l *Layer) Link(p, target string) { l.nodes[merged(p)] = node{link: target} }

// Text adds a file with the given content.
func (l *Layer) Text(p, content string) {
	l.nodes[merged(p)] = node{data: []byte(content), mode: 0o644}
}

// File adds a file; a binary brings its libraries when the layer is closed. Of
// its mode counts only whether it can be run: the rest is the umask of whoever
// made it, and nothing in an image may be setuid.
func (l *Layer) File(source, p string) {
	real, err := l.real(source)
	if err != nil {
		l.fail(fmt.Errorf("add %s to an image: %w", source, err))
		return
	}
	info, err := os.Stat(real)
	if err != nil {
		l.fail(fmt.Errorf("add %s to an image: %w", source, err))
		return
	}
	mode := int64(0o644)
	if info.Mode().Perm()&0o100 != 0 {
		mode = 0o755
	}
	l.nodes[merged(p)] = node{source: real, mode: mode}
	l.elves[real] = merged(p)
}

// Tree adds a directory of this machine. Entries whose base names match one of the
// patterns in without are left out.
func (l *Layer) Tree(source, p string, without ...string) {
	err := filepath.WalkDir(source, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := p + strings.TrimPrefix(file, source)
		switch {
		case matches(entry.Name(), without) && entry.IsDir():
			return filepath.SkipDir
		case matches(entry.Name(), without):
			return nil
		case entry.IsDir():
			l.Dir(to, 0o755)
			return nil
		case entry.Type()&fs.ModeSymlink == 0:
			l.File(file, to)
			return nil
		}
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		if filepath.IsAbs(target) {
			l.File(file, to) // the host's target means nothing inside
		} else {
			l.Link(to, target)
		}
		return nil
	})
	if err != nil {
		l.fail(fmt.Errorf("add the tree %s to an image: %w", source, err))
	}
}

func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := filepath.Match(pattern, name)
		return ok && err == nil
	})
}

// Source is the file of this machine that a path of the layer comes from, empty
// where it is none.
func (l *Layer) Source(p string) string { return l.nodes[merged(p)].source }

func (l *Layer) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// Write writes the layer as a sorted tar without owners or times of the host.
func (l *Layer) Write(w io.Writer) error {
	if l.err != nil {
		return l.err
	}
	var names []string
	for p := range l.nodes {
		names = append(names, p)
	}
	slices.Sort(names)
	t := tar.NewWriter(w)
	for _, p := range names {
		if err := writeNode(t, p[1:], l.nodes[p]); err != nil {
			return fmt.Errorf("write %s into a layer: %w", p, err)
		}
	}
	return t.Close()
}

func writeNode(t *tar.Writer, name string, n node) (err error) {
	h := &tar.Header{Name: name, Mode: n.mode, ModTime: Epoch, Format: tar.FormatPAX}
	var content io.Reader
	switch {
	case n.dir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case n.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, n.link, 0o777
	case n.source != "":
		f, openErr := os.Open(n.source)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		info, statErr := f.Stat()
		if statErr != nil {
			return statErr
		}
		h.Typeflag, h.Size, content = tar.TypeReg, info.Size(), f
	default:
		h.Typeflag, h.Size, content = tar.TypeReg, int64(len(n.data)), bytes.NewReader(n.data)
	}
	if err := t.WriteHeader(h); err != nil || content == nil {
		return err
	}
	_, err = io.Copy(t, content)
	return err
}

// parents adds the directories above every entry that below does not have.
func (l *Layer) parents(below ...*Layer) {
	for p := range l.nodes {
		for d := path.Dir(p); d != "/"; d = path.Dir(d) {
			if !l.has(d, below) {
				l.Dir(d, 0o755)
			}
		}
	}
}

func (l *Layer) has(p string, below []*Layer) bool {
	if _, ok := l.nodes[p]; ok {
		return true
	}
	return slices.ContainsFunc(below, func(b *Layer) bool { _, ok := b.nodes[p]; return ok })
}
