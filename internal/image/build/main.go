// Command build makes the product's image as an OCI archive, or as a folder for
// a Dockerfile, and renews the pins of what goes into it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/circleci-dr/circleci-dr/internal/image/debian"
	"github.com/circleci-dr/circleci-dr/internal/image/product"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	repository, out, tree, tools, binaries, version string
	newest, renew                                   bool
}

// tag is what a tag may be, as the distribution specification of OCI has it.
var tag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.StringVar(&o.repository, "repository", "../..", "the checkout to build")
	flags.StringVar(&o.out, "out", "", "write the image to this archive")
	flags.StringVar(&o.tree, "tree", "", "write what is in the image to this folder, for a Dockerfile")
	flags.StringVar(&o.tools, "tools", "", "write what is in it beside the product to this folder, and build nothing; for tests")
	flags.StringVar(&o.binaries, "binaries", "", "write the binaries of a release and their checksums to this folder, and no image")
	flags.StringVar(&o.version, "version", "", "the version to release; empty makes a development build")
	flags.BoolVar(&o.newest, "newest-if-stale", false, "take the newest packages where the pinned ones are gone; for tests")
	flags.BoolVar(&o.renew, "renew-pins", false, "pin the newest packages and build nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments (got %q)", flags.Arg(0))
	}
	if o.version != "" && !tag.MatchString(o.version) {
		return fmt.Errorf("the version is the image's tag too, and %q cannot be one: letters, digits, '.', '_' and '-'", o.version)
	}
	asked := 0
	for _, is := range []bool{o.out != "" || o.tree != "", o.tools != "", o.binaries != "", o.renew} {
		if is {
			asked++
		}
	}
	if asked != 1 {
		return errors.New("say what to make: -out and -tree, or -tools, or -binaries, or -renew-pins")
	}
	if o.binaries != "" {
		return release(ctx, o, compile)
	}
	cache, err := debian.DefaultCache()
	if err != nil {
		return err
	}
	source := debian.Source{Cache: cache, Note: func(s string) { fmt.Fprintln(os.Stderr, "image:", s) }}
	pins, err := product.Pins()
	if err != nil {
		return err
	}
	if o.renew {
		return renew(ctx, source, pins)
	}
	if o.tools != "" {
		return tools(ctx, o, source, pins)
	}
	return build(ctx, o, source, pins)
}

const pinsFile = "product/pins.json" // the command runs in the module's folder

func renew(ctx context.Context, source debian.Source, old debian.Pins) error {
	fresh, err := source.Renew(ctx, old)
	if err != nil {
		return err
	}
	for i, p := range fresh.Packages {
		if before := old.Packages[i]; before != p {
			fmt.Printf("%s: %s to %s\n", p.Name, before.Version, p.Version)
		}
	}
	return fresh.Write(pinsFile)
}
