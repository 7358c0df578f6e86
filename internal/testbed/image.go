package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/images"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

func storeDir(c checkout) string { return filepath.Join(c.cache.Dir, "store") }

// image builds the product's image, imports it into the running cluster and
// prints its name.
func image(ctx context.Context, args []string) error {
	if err := flags(args, nil); err != nil {
		return err
	}
	if err := onlyOwn("import the product's image"); err != nil {
		return err
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	if err := c.owns("import the product's image"); err != nil {
		return err
	}
	r := progress.New(os.Stderr)
	defer r.Close()
	unlock, err := lock(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	binary, err := compileProduct(ctx, c, r)
	if err != nil {
		return err
	}
	name, err := importProduct(ctx, c, r, binary)
	if err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}

func compileProduct(ctx context.Context, c checkout, r *progress.Reporter) (binary string, err error) {
	err = r.Do("build the product", func(t *progress.Task) error {
		binary, err = buildProduct(ctx, c, func(s string) { t.Note("%s", s) })
		return err
	})
	return binary, err
}

// importProduct imports the image with the binary in it and records its name.
func importProduct(ctx context.Context, c checkout, r *progress.Reporter, binary string) (string, error) {
	built, err := images.Build(images.NewBase(pgserver.ClientDir).Product(binary))
	if err != nil {
		return "", fmt.Errorf("build the product's image: %w", err)
	}
	name := images.ProductName(built)
	if err := importOne(ctx, c, r, name, built); err != nil {
		return "", err
	}
	return name, writeProductImage(c, name)
}

// named is an image with its name.
type named struct {
	name  string
	image images.Image
}

// releaseImages are those of the fixture release.
func releaseImages(parts obtained) []named {
	base := images.NewBase(pgserver.ClientDir)
	list := []named{
		{images.PostgresName(12), base.Postgres(parts.servers[12])},
		{images.PostgresName(14), base.Postgres(parts.servers[14])},
		{images.MongoDBName, base.MongoDB(parts.mongoServers[internalMongoDB], parts.mongosetup)},
	}
	if parts.fixture != "" {
		list = append(list, named{images.FixtureName, base.Fixture(parts.fixture)})
	}
	return list
}

// importFixed imports the images whose names do not change.
func importFixed(ctx context.Context, c checkout, r *progress.Reporter, parts obtained) error {
	for _, i := range append(releaseImages(parts), named{images.PauseName, images.Pause(parts.pause)}) {
		built, err := images.Build(i.image)
		if err != nil {
			return fmt.Errorf("build the image %s: %w", i.name, err)
		}
		if err := importOne(ctx, c, r, i.name, built); err != nil {
			return err
		}
	}
	return nil
}

func importOne(ctx context.Context, c checkout, r *progress.Reporter, name string, built images.Built) error {
	store := cluster.Store{Dir: storeDir(c)}
	has, err := store.Has(ctx, name, built.Digest)
	if err != nil || has {
		return err
	}
	return r.Do("import the image "+name, func(*progress.Task) error {
		return store.Import(ctx, name, built.Digest, func(w io.Writer) error { return built.Write(w, name) })
	})
}
