package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Unread is something that is not in the bundle, and why.
type Unread struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Bundle collects files. Everything passes its redactor.
type Bundle struct {
	redactor *Redactor
	files    map[string][]byte
	unread   []Unread
}

// New gives an empty bundle.
func New(r *Redactor) *Bundle { return &Bundle{redactor: r, files: map[string][]byte{}} }

// Text adds a text.
func (b *Bundle) Text(name, text string) { b.add(name, []byte(b.redactor.Text(text))) }

// JSON adds a document.
func (b *Bundle) JSON(name string, doc []byte) {
	data, err := b.redactor.JSON(doc)
	if err != nil {
		b.Missing(name, err)
		return
	}
	b.add(name, data)
}

// add keeps out what still holds a secret, whatever the way it got there.
func (b *Bundle) add(name string, data []byte) {
	if b.redactor.Leaks(data) {
		b.unread = append(b.unread, Unread{name, "left out: a secret stood in it after redaction"})
		return
	}
	b.files[b.redactor.Text(name)] = data
}

// Missing says that something could not be read.
func (b *Bundle) Missing(what string, why error) {
	b.unread = append(b.unread, Unread{b.redactor.Text(what), b.redactor.Text(why.Error())})
}

// Unread lists what is not in the bundle, in a fixed order.
func (b *Bundle) Unread() []Unread {
	out := slices.Clone(b.unread)
	slices.SortFunc(out, func(a, b Unread) int { return strings.Compare(a.What+"\x00"+a.Why, b.What+"\x00"+b.Why) })
	return out
}

// Names lists what is in the bundle.
func (b *Bundle) Names() []string { return slices.Sorted(maps.Keys(b.files)) }

// Write writes a gzipped tar below one folder. The same content gives the same
// bytes: entries are sorted and carry no time and no owner.
func (b *Bundle) Write(w io.Writer, folder string) error {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	for _, name := range b.Names() {
		data := b.files[name]
		head := &tar.Header{Typeflag: tar.TypeReg, Name: folder + "/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		if err := archive.WriteHeader(head); err != nil {
			return fmt.Errorf("write %s to the bundle: %w", name, err)
		}
		if _, err := io.Copy(archive, bytes.NewReader(data)); err != nil {
			return fmt.Errorf("write %s to the bundle: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}
