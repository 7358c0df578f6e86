// Package debian fetches packages of Debian's archive by their exact version
// and SHA-256 and unpacks them. It knows apt and dpkg, which do the work, and
// where a package lies in an archive; it never installs one.
package debian

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Pin is one package, exactly.
type Pin struct {
	Name string `json:"name"`
	// Suite is the release of Debian it was taken from, and is renewed from.
	Suite   string `json:"suite"`
	Version string `json:"version"`
	// File is its path below the archive.
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

func (p Pin) String() string { return p.Name + " " + p.Version + " of " + p.Suite }

// Pins are the packages that an image is made of.
type Pins struct {
	// Architecture is Debian's name of it.
	Architecture string `json:"architecture"`
	Packages     []Pin  `json:"packages"`
}

// Parse reads pins as they are written.
func Parse(data []byte) (Pins, error) {
	var out Pins
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("read the pinned packages: %w", err)
	}
	for _, p := range out.Packages {
		if sum, err := hex.DecodeString(p.SHA256); err != nil || len(sum) != sha256.Size {
			return out, fmt.Errorf("read the pinned packages: the SHA-256 of %s is %q", p.Name, p.SHA256)
		}
	}
	if out.Architecture == "" || len(out.Packages) == 0 {
		return out, errors.New("read the pinned packages: there are none")
	}
	return out, nil
}

// Write writes a file of pins.
func (p Pins) Write(file string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("write the pinned packages: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the pinned packages: %w", err)
	}
	return nil
}

// Key names what the packages unpack to.
func (p Pins) Key() string {
	h := sha256.New()
	for _, pin := range p.Packages {
		fmt.Fprintln(h, pin.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// StaleError tells that no archive has some of the pinned packages.
type StaleError struct{ Pins []Missing }

// Missing is a package that could not be had, with what apt said.
type Missing struct {
	Pin
	Why error
}

// Error names every one of them, and both ways on.
func (e *StaleError) Error() string {
	var b strings.Builder
	b.WriteString("these pinned packages could not be had:")
	for _, m := range e.Pins {
		fmt.Fprintf(&b, "\n  %s: %v", m.Pin, m.Why)
	}
	b.WriteString("\nDebian's archive keeps the newest version only. Where it moved on, make image-pins takes the newest (read the diff);" +
		"\nto build an older commit, name an archive that keeps every version in " + Variable)
	return b.String()
}

// stale joins what is missing to one error, nil where nothing is.
func stale(missing []Missing) error {
	if len(missing) == 0 {
		return nil
	}
	return &StaleError{missing}
}
