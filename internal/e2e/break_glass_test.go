//go:build testbed

package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// chaptersOfThePage are the commands of docs/break-glass.md for a move out of
// PostgreSQL, in order, by their chapter.
func chaptersOfThePage(t *testing.T) (names []string, scripts map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/break-glass.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts = map[string]string{}
	for _, chapter := range strings.Split(strings.ReplaceAll(string(page), "\n### ", "\n## "), "\n## ")[1:] {
		name, text, _ := strings.Cut(chapter, "\n")
		names = append(names, name)
		for _, block := range strings.Split(text, "\n```bash\n")[1:] {
			script, _, _ := strings.Cut(block, "\n```")
			scripts[name] += script + "\n"
		}
	}
	return names, scripts
}

// breakGlass brings the application back as a person would, by the page's own
// commands: all of them but those for servers that hold no source here.
func (s *site) breakGlass() {
	s.t.Helper()
	bin := s.t.TempDir()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "helm")); err != nil {
		s.t.Fatal(err)
	}
	names, chapters := chaptersOfThePage(s.t)
	const source = "PostgreSQL, in the cluster"
	if !slices.Contains(names, source) || len(names) < 8 {
		s.t.Fatalf("the page has the chapters %q", names)
	}
	script := "set -e\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n"
	for _, name := range names {
		other := strings.HasSuffix(name, ", outside") || strings.HasPrefix(name, "MongoDB, ")
		if !other {
			script += "echo '== " + name + "'\n" + chapters[name]
		}
	}
	cmd := exec.CommandContext(s.t.Context(), "bash", "--norc", s.write("break-glass.sh", script))
	cmd.Dir = s.t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+env(s.t, "CIRCLECI_DR_TESTBED_PG_CLIENTS")+":"+os.Getenv("PATH"),
		"CONTEXT=testbed", "NAMESPACE="+s.ns, "RELEASE=circleci-server")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	s.t.Logf("by hand:\n%s", out)
	s.noSecrets("what the page's commands print", string(out))
	if err != nil {
		s.t.Fatalf("the page's commands: %v", err)
	}
}

// backByHand demands what must hold after the way back by hand: the application as
// it was, on the server in the cluster, with no row lost; and that the tool then
// closes the move without stopping anything.
func (s *site) backByHand(before map[string]int32) {
	s.t.Helper()
	eventually(s.t, "the application is ready again", func() bool {
		pods := s.podsReady()
		return pods && maps.Equal(s.replicas(), before)
	})
	if c := s.count(); strings.HasPrefix(c.Frontend.Host, s.out.postgres) {
		s.t.Errorf("the frontend writes to %s", c.Frontend.Host)
	}
	picture := s.untouched()
	s.declare("internal")
	s.plan()
	if o := s.run(nil, "apply", "--plan", "plan.json"); o.code != 0 {
		s.t.Fatalf("the apply that closes the move: %s", o)
	}
	if got := s.untouched(); got != picture {
		s.t.Errorf("it touched the application: %s\nwas %s", got, picture)
	}
	s.contains("the plan afterwards", s.want(0, "plan", "--detailed-exitcode").out, "nothing to do")
	s.declare("external")
	s.plan()
}

// podsReady tells whether every workload has as many ready pods as it wants.
func (s *site) podsReady() bool {
	s.t.Helper()
	for key, n := range s.replicas() {
		kind, name, _ := strings.Cut(key, "/")
		if kind != "Deployment" {
			continue
		}
		d, err := s.kube.AppsV1().Deployments(s.ns).Get(s.t.Context(), name, metav1.GetOptions{})
		if err != nil || d.Status.ReadyReplicas != n || d.Status.ObservedGeneration != d.Generation {
			return false
		}
	}
	return true
}

// helmOf is helm as far as the page uses it, by the library that the program is
// made of: the test binary under the name of helm.
func helmOf(args []string) error {
	settings := cli.New()
	var words []string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "--kube-context":
			i++
			settings.KubeContext = args[i]
		case "--namespace":
			i++
			settings.SetNamespace(args[i])
		case "-o":
			i++
		default:
			words = append(words, args[i])
		}
	}
	config := new(action.Configuration)
	if err := config.Init(settings.RESTClientGetter(), settings.Namespace(), "secret", func(string, ...any) {}); err != nil {
		return err
	}
	switch {
	case len(words) == 2 && words[0] == "history":
		all, err := action.NewHistory(config).Run(words[1])
		for _, r := range all {
			fmt.Println(r.Version, r.Info.Status, r.Info.Description)
		}
		return err
	case len(words) == 4 && words[0] == "get" && words[1] == "values" && words[3] == "--all":
		get := action.NewGetValues(config)
		get.AllValues = true
		values, err := get.Run(words[2])
		for _, store := range []string{"postgresql", "mongodb"} {
			fmt.Printf("%s:\n  internal: %v\n", store, values[store].(map[string]any)["internal"])
		}
		return err
	case len(words) == 3 && words[0] == "rollback":
		revision, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		back := action.NewRollback(config)
		back.Version, back.Timeout = revision, 5*time.Minute
		return back.Run(words[1])
	}
	return fmt.Errorf("the page uses helm in another way: %q", args)
}
