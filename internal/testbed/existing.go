//go:build fixture

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/fixture"
	"github.com/circleci-dr/circleci-dr/internal/testbed/host"
	"github.com/circleci-dr/circleci-dr/internal/testbed/images"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// existing is up for a cluster that is there already: it looks whether the
// cluster has what the tests need, and builds the images that it lacks as
// archives. It changes nothing in the cluster.
func existing(ctx context.Context, args []string) error {
	if err := flags(args, nil); err != nil {
		return err
	}
	if cluster.Existing() == "" {
		return fmt.Errorf("look at the existing cluster: %s is not set", cluster.Variable)
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	r := progress.New(os.Stderr)
	defer r.Close()
	found, err := fixture.Look(ctx, cluster.Existing())
	if err != nil {
		return err
	}
	if err := host.Install(ctx, host.ForServers, r); err != nil {
		return err
	}
	parts, err := obtainForImages(ctx, c, r)
	if err != nil {
		return err
	}
	list := releaseImages(parts)
	product, err := productImage(ctx, c, r)
	if err != nil {
		return err
	}
	missing, err := writeMissing(r, filepath.Join(c.root, "dist", "images"), append(list, product), found)
	if err != nil {
		return err
	}
	if lacks := found.Lacks(missing); len(lacks) > 0 {
		return fmt.Errorf("the cluster of %s lacks:\n  - %s", cluster.Variable, strings.Join(lacks, "\n  - "))
	}
	r.Say("the cluster of %s, Kubernetes %s, has what the fixture release needs; there are no servers outside it, so the tests that move databases cannot run", cluster.Variable, found.Version)
	r.Say("an image whose content changed keeps its name: after a change of internal/testbed remove %s from the nodes and run this again", images.FixtureName)
	return nil
}

// productImage is the product's image, recorded as the one that env names.
func productImage(ctx context.Context, c checkout, r *progress.Reporter) (named, error) {
	made, err := makeProduct(ctx, c, r)
	if err != nil {
		return named{}, err
	}
	built, err := image.Build(made)
	if err != nil {
		return named{}, fmt.Errorf("build the product's image: %w", err)
	}
	name := images.ProductName(built)
	return named{name, made}, writeProductImage(c, name)
}

// writeMissing writes the images that no node has, each as an archive, and
// says which and where.
func writeMissing(r *progress.Reporter, dir string, list []named, found fixture.Cluster) ([]string, error) {
	var missing []string
	for _, i := range list {
		if found.Has(i.name) {
			continue
		}
		file := filepath.Join(dir, strings.NewReplacer("/", "-", ":", "-").Replace(i.name)+".tar")
		err := r.Do("write the image "+i.name, func(*progress.Task) error { return writeArchive(file, i) })
		if err != nil {
			return nil, err
		}
		missing = append(missing, fmt.Sprintf("the image %s on every node; import it: ctr -n k8s.io images import %s", i.name, file))
	}
	return missing, nil
}

func writeArchive(file string, i named) (err error) {
	built, err := image.Build(i.image)
	if err != nil {
		return fmt.Errorf("build the image %s: %w", i.name, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write the image %s: %w", i.name, err)
	}
	out, err := os.Create(file + ".tmp")
	if err != nil {
		return fmt.Errorf("write the image %s: %w", i.name, err)
	}
	defer out.Close()
	if err := built.Write(out, images.Whole(i.name)); err != nil {
		return fmt.Errorf("write the image %s: %w", i.name, err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write the image %s: %w", i.name, err)
	}
	return os.Rename(file+".tmp", file)
}
