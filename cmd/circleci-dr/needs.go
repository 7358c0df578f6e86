package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/spec"
)

// planNeeds are what a plan asks for beside a valid file, each with where it may
// come from. Nothing but the file and the environment is looked at.
func (p *program) planNeeds(s *spec.Spec, file string) []string {
	if s.Server == nil {
		return nil
	}
	var out []string
	if s.Server.KubeContext == "" {
		out = append(out, "server.kubeContext (or --kube-context): the cluster to look at")
	}
	if s.Mover.Image == "" && publishedImage() == "" && !p.set("CIRCLECI_DR_MOVER_IMAGE") {
		out = append(out, "mover.image (or --mover-image): the image to look at the databases with; none is published for a development build")
	}
	switch chart := s.Server.Chart; {
	case p.set("CIRCLECI_DR_CHART"):
	case chart == "":
		out = append(out, "server.chart (or --chart), where a datastore has to move: the chart of the release")
	default:
		if missing := chartMissing(chart, file); missing != "" {
			out = append(out, missing)
		}
	}
	return out
}

func (p *program) set(name string) bool {
	value, _ := p.env(name)
	return value != ""
}

// chartMissing says of a chart that is a path and is not there what it was
// taken for, "" of every other.
func chartMissing(chart, file string) string {
	if strings.Contains(chart, "://") {
		return ""
	}
	if _, err := os.Stat(besideSpec(chart, file)); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	repository, name, two := strings.Cut(chart, "/")
	if two && repository != "" && !strings.HasPrefix(repository, ".") && !strings.Contains(name, "/") && filepath.Ext(name) != ".tgz" {
		return fmt.Sprintf("server.chart: %s is taken for a directory, and there is none. If it is a chart of a repository that helm repo add knows, "+
			"fetch it at the deployed version (helm pull %s --version …) and name the .tgz", chart, chart)
	}
	return fmt.Sprintf("server.chart: there is no %s", besideSpec(chart, file))
}

// besideSpec is a path of the spec, which is relative to the file itself.
func besideSpec(path, file string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

func (p *program) showNeeds(needs []string) error {
	if len(needs) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "plan will also need:\n  %s\n", strings.Join(needs, "\n  "))
	return err
}
