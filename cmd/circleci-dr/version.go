package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is set by the release build; a plain go build says what the module
// and its repository say.
var version string

func toolVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if len(revision) >= 12 {
		return "dev-" + revision[:12] + dirty
	}
	return "dev"
}

// publishedAs is where the images of releases are published.
const publishedAs = "ghcr.io/circleci-dr/circleci-dr"

// publishedImage is the image of this version, which pods run that no image is
// named for; "" for a development build, of which none is published.
func publishedImage() string {
	if version == "" {
		return ""
	}
	return publishedAs + ":" + version
}

func (p *program) versionCommand() *cli.Command {
	var o common
	return &cli.Command{
		Name: "version", Usage: "print the version and what it was built with",
		Flags: []cli.Flag{p.outputFlag(&o)},
		Action: func(*cli.Context) error {
			asJSON, err := o.json()
			if err != nil {
				return err
			}
			return p.printVersion(asJSON)
		},
	}
}

func (p *program) printVersion(asJSON bool) error {
	if asJSON {
		return json.NewEncoder(p.out).Encode(map[string]string{
			"version": toolVersion(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "image": publishedImage(),
		})
	}
	image := publishedImage()
	if image == "" {
		image = "none is published for a development build"
	}
	_, err := fmt.Fprintf(p.out, "circleci-dr %s (%s, %s/%s)\nimage: %s\n", toolVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, image)
	return err
}
