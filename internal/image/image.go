// Package image builds container images from files, without a registry, a
// daemon or a builder, and names them by their content. The same inputs give
// the same bytes. It knows the image format and how a binary finds its
// libraries; what belongs into which image is its users' business.
package image

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is what an image consists of.
type Image struct {
	Layers     []*Layer
	Env        []string
	Entrypoint []string
	User       string
	// Created is when it says it was made; zero means Epoch.
	Created time.Time
	// About are annotations of the manifest and labels of the configuration:
	// registries show the one, engines the other.
	About map[string]string
	// Gzip compresses the layers. An image that never leaves the machine is
	// imported sooner without.
	Gzip bool
}

// Epoch is the time of every file in every image, so that a layer whose content
// did not change keeps its digest.
var Epoch = time.Unix(1700000000, 0).UTC()

// Built is an image whose digests are known. Layers that are not compressed are
// made once more when it is written.
type Built struct {
	// Digest is the SHA-256 of the manifest, which names all of the content.
	Digest   digest.Digest
	manifest []byte
	config   []byte
	layers   []blob
}

// blob is one layer as it is stored; packed is nil where it is not compressed.
type blob struct {
	v1.Descriptor
	layer  *Layer
	packed []byte
}

// Build reads all inputs once to learn the digests.
func Build(img Image) (Built, error) {
	created := img.Created
	if created.IsZero() {
		created = Epoch
	}
	config := v1.Image{
		Created:  &created,
		Platform: v1.Platform{Architecture: "amd64", OS: "linux"},
		Config:   v1.ImageConfig{Env: img.Env, Entrypoint: img.Entrypoint, User: img.User, WorkingDir: "/", Labels: img.About},
		RootFS:   v1.RootFS{Type: "layers"},
	}
	var b Built
	var layers []v1.Descriptor
	for _, l := range img.Layers {
		stored, content, err := pack(l, img.Gzip)
		if err != nil {
			return Built{}, err
		}
		b.layers = append(b.layers, stored)
		layers = append(layers, stored.Descriptor)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, content)
	}
	var err error
	if b.config, err = json.Marshal(config); err != nil {
		return Built{}, fmt.Errorf("encode the image's configuration: %w", err)
	}
	b.manifest, err = json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: describe(v1.MediaTypeImageConfig, b.config), Layers: layers, Annotations: img.About,
	})
	if err != nil {
		return Built{}, fmt.Errorf("encode the image's manifest: %w", err)
	}
	b.Digest = digest.FromBytes(b.manifest)
	return b, nil
}

// ID is a short name of the content.
func (b Built) ID() string { return b.Digest.Encoded()[:12] }

func describe(mediaType string, data []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// pack gives a layer as it is stored, and the digest of what is in it.
func pack(l *Layer, compress bool) (blob, digest.Digest, error) {
	content := &sum{Digester: digest.Canonical.Digester()}
	if !compress {
		if err := l.Write(content); err != nil {
			return blob{}, "", err
		}
		return blob{Descriptor: content.describe(v1.MediaTypeImageLayer), layer: l}, content.Digest(), nil
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed) // without a name and a time
	if err := l.Write(io.MultiWriter(content, z)); err != nil {
		return blob{}, "", err
	}
	if err := z.Close(); err != nil {
		return blob{}, "", fmt.Errorf("compress a layer: %w", err)
	}
	return blob{Descriptor: describe(v1.MediaTypeImageLayerGzip, packed.Bytes()), layer: l, packed: packed.Bytes()}, content.Digest(), nil
}

// sum is the digest and the size of what is written to it.
type sum struct {
	digest.Digester
	size int64
}

// Write never fails.
func (s *sum) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	return s.Hash().Write(p)
}

func (s *sum) describe(mediaType string) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: s.Digest(), Size: s.size}
}
