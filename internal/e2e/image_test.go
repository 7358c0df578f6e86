//go:build testbed

package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// archived is the name and the digest that the build of an image prints.
var archived = regexp.MustCompile(`(?m)^image +(\S+)\ndigest +(\S+)$`)

// imageFromArchive makes the archive that make image makes, imports it as docs/image.md
// says, and has the site's pods run it. It is of the version that the tests' own
// build has, because an engine refuses work of another.
func (s *site) imageFromArchive() {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "image.tar")
	build := exec.CommandContext(s.t.Context(), "go", "-C", "../image", "run", "./build", "-newest-if-stale", "-version", "dev", "-out", file)
	out, err := build.CombinedOutput()
	s.t.Logf("the archive:\n%s", out)
	said := archived.FindStringSubmatch(string(out))
	if err != nil || said == nil {
		s.t.Fatalf("make the archive: %v", err)
	}
	socket := filepath.Join(env(s.t, "CIRCLECI_DR_TESTBED"), "containerd", "containerd.sock")
	if out, err := exec.CommandContext(s.t.Context(), "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", file).CombinedOutput(); err != nil {
		s.t.Fatalf("import the archive: %v\n%s", err, out)
	}
	s.image = said[1]
	listed, err := exec.CommandContext(s.t.Context(), "ctr", "--address", socket, "--namespace", "k8s.io", "images", "ls", "name=="+s.image).CombinedOutput()
	if err != nil || !strings.Contains(string(listed), said[2]) {
		s.t.Errorf("imported is not %s as %s: %v\n%s", said[2], s.image, err, listed)
	}
}

// ranTheArchive demands that everything of ours that still has a Job ran it.
func (s *site) ranTheArchive() {
	s.t.Helper()
	jobs, err := s.kube.BatchV1().Jobs(s.ns).List(s.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=circleci-dr"})
	if err != nil || len(jobs.Items) == 0 {
		s.t.Errorf("there are no Jobs to look at: %v", err)
		return
	}
	for _, job := range jobs.Items {
		if got := job.Spec.Template.Spec.Containers[0].Image; got != s.image {
			s.t.Errorf("Job %s ran %s, want %s", job.Name, got, s.image)
		}
	}
}
