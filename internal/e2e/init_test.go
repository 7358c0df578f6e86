//go:build testbed

package e2e

import (
	"os"
	"path/filepath"
	"strings"
)

// initSettles demands that init, which is told no more than where to look,
// writes a file that is valid, has no secret in it, and of which nothing is to
// be done. The plan is made without an inspection: its record would be taken
// for that of the site's own file.
func (s *site) initSettles(locations ...string) {
	s.t.Helper()
	file := "init-" + strings.Join(locations, "-") + ".yaml"
	args := []string{"init", "--kube-context", "testbed", "--namespace", s.ns, "--file", file}
	o := s.want(0, args...)
	s.contains("init", o.out, "release circleci-server in namespace "+s.ns, "PostgreSQL "+locations[0], "MongoDB "+locations[1])
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	s.noSecrets("the file that init wrote", string(text))
	s.want(0, "validate", "--file", file)
	o = s.want(0, "plan", "--no-inspect", "--detailed-exitcode", "--file", file)
	s.contains("the plan of what init wrote", o.out, "nothing to do")
	o = s.want(64, args...)
	s.contains("init once more", o.err, "is there already")
}
