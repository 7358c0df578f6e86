package server

import "strings"

// Place is one field of one object (Kind/name).
type Place struct {
	Object string `json:"object"`
	Field  string `json:"field"`
}

// String names the place for people.
func (p Place) String() string { return p.Object + " " + p.Field }

// IsContent tells whether a field has what the application reads, and not what
// Kubernetes does: an image or a name may be the same word as a host.
func (p Place) IsContent() bool {
	f := p.Field
	return strings.HasPrefix(f, "data") || strings.Contains(f, ".env[") && strings.HasSuffix(f, "].value") ||
		strings.Contains(f, ".args[") || strings.Contains(f, ".command[") || strings.Contains(f, ".annotations") || strings.HasSuffix(f, ".host")
}

// Texts are what the fields of a workload's pods say, with the ConfigMaps and
// Secrets that they use. They may be secrets: they are compared, and neither
// stored nor printed.
type Texts map[Place]string

// String shows nothing of them.
func (Texts) String() string { return "[texts]" }

// GoString shows nothing of them either.
func (Texts) GoString() string { return "[texts]" }

// MarshalJSON keeps them out of every document.
func (Texts) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
