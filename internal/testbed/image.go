package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/image"
	"github.com/circleci-dr/circleci-dr/internal/image/debian"
	"github.com/circleci-dr/circleci-dr/internal/image/product"
	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/images"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

func storeDir(c checkout) string { return filepath.Join(c.cache.Dir, "store") }

// importImage builds the product's image, imports it into the running cluster and
// prints its name.
func importImage(ctx context.Context, args []string) error {
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
	made, err := makeProduct(ctx, c, r)
	if err != nil {
		return err
	}
	name, err := importProduct(ctx, c, r, made)
	if err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}

// makeProduct makes the product's image as it is released, but for its layers,
// which nobody downloads.
func makeProduct(ctx context.Context, c checkout, r *progress.Reporter) (img image.Image, err error) {
	var binary, packages string
	err = r.Do("build the product", func(t *progress.Task) error {
		binary, err = buildProduct(ctx, c, func(s string) { t.Note("%s", s) })
		return err
	})
	if err != nil {
		return img, err
	}
	err = r.Do("fetch what goes into the product's image", func(t *progress.Task) error {
		pins, err := product.Pins()
		if err != nil {
			return err
		}
		kept, err := debian.DefaultCache()
		if err != nil {
			return err
		}
		source := debian.Source{Cache: kept, Note: func(s string) { t.Note("%s", s) }}
		packages, err = source.RootOfToday(ctx, pins)
		return err
	})
	if err != nil {
		return img, err
	}
	img, err = product.Image(binary, packages, product.About{Version: "testbed"})
	img.Gzip = false
	return img, err
}

// importProduct imports the product's image and records its name.
func importProduct(ctx context.Context, c checkout, r *progress.Reporter, made image.Image) (string, error) {
	built, err := image.Build(made)
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
	image image.Image
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
		built, err := image.Build(i.image)
		if err != nil {
			return fmt.Errorf("build the image %s: %w", i.name, err)
		}
		if err := importOne(ctx, c, r, i.name, built); err != nil {
			return err
		}
	}
	return nil
}

func importOne(ctx context.Context, c checkout, r *progress.Reporter, name string, built image.Built) error {
	store := cluster.Store{Dir: storeDir(c)}
	has, err := store.Has(ctx, name, built.ID())
	if err != nil || has {
		return err
	}
	return r.Do("import the image "+name, func(*progress.Task) error {
		return store.Import(ctx, name, built.ID(), func(w io.Writer) error { return built.Write(w, images.Whole(name)) })
	})
}
