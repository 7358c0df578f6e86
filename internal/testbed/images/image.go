// Package images builds container images from files of this machine, without a
// registry or a builder, and names them by their content. The same inputs give
// the same bytes. It knows the image format and how a binary finds its
// libraries; what belongs into which image is in catalog.go.
package images

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Image is what an image consists of.
type Image struct {
	Layers     []*Layer
	Env        []string
	Entrypoint []string
	User       string
}

// Built is an image whose digests are known; its bytes are made when it is
// written.
type Built struct {
	// Digest is the SHA-256 of the image's configuration in hex, which names
	// all of its content.
	Digest string
	config []byte
	layers []measured
}

type measured struct {
	layer *Layer
	sum   string
	size  int64
}

// epoch is the time of every file in every image.
var epoch = time.Unix(1700000000, 0).UTC()

// Build reads all inputs once to learn the digests.
func Build(img Image) (Built, error) {
	var b Built
	var diffs []string
	for _, l := range img.Layers {
		m, err := measure(l)
		if err != nil {
			return Built{}, err
		}
		b.layers = append(b.layers, m)
		diffs = append(diffs, "sha256:"+m.sum)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": epoch.Format(time.RFC3339),
		"config": map[string]any{"Env": img.Env, "Entrypoint": img.Entrypoint, "User": img.User, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		return Built{}, fmt.Errorf("encode the image's configuration: %w", err)
	}
	sum := sha256.Sum256(config)
	b.config, b.Digest = config, hex.EncodeToString(sum[:])
	return b, nil
}

func measure(l *Layer) (measured, error) {
	h := sha256.New()
	count := &counter{w: h}
	if err := l.write(count); err != nil {
		return measured{}, err
	}
	return measured{layer: l, sum: hex.EncodeToString(h.Sum(nil)), size: count.n}, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
