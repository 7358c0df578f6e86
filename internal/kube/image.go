package kube

import (
	"cmp"
	"errors"

	"github.com/circleci-dr/circleci-dr/spec"
)

// errNoImage tells a developer, for releases have an image: which one a pod runs
// is never guessed.
var errNoImage = errors.New("this development build has no published image: build one (make image), push it to where the cluster pulls from, " +
	"and name it in mover.image or with --mover-image")

// image is what our pods run.
func (c *Client) image(shape spec.Mover) (string, error) {
	if image := cmp.Or(shape.Image, c.options.Image); image != "" {
		return image, nil
	}
	return "", errNoImage
}
