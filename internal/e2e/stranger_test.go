//go:build testbed

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// stranger is somebody at a shell of their own, in an empty directory.
type stranger struct {
	s          *site
	changes    string   // to the file, as the page has them
	shown      []string // lines of a plan, as the page has them
	home       string   // where the shell began
	state      string   // what the shell leaves for the next block
	kubeconfig string
	env        []string
}

// The programs that the testbed has no counterpart for stand in PATH under
// their own names: what is copied to the registry is there for every pod, and
// the registry of charts has the fixture's.
const (
	skopeo = `#!/bin/sh
set -eu
archive=${2#oci-archive:} name=${3#docker://}
[ "$# $1 $2 $3" = "3 copy oci-archive:$archive docker://$name" ]
was=$(tar -xOf "$archive" manifest.json | sed 's/.*"RepoTags":\["\([^"]*\)".*/\1/')
ctr --address %[1]s --namespace k8s.io images import "$archive"
ctr --address %[1]s --namespace k8s.io images tag --force "$was" "$name"
`
	helm = `#!/bin/sh
set -eu
[ "$# $1 $2 $3" = "4 pull oci://charts.example.com/circleci-server --version" ]
exec %[1]s chart --dir . --version "$4"
`
)

// stranger gives somebody a shell, a kubeconfig and what the page says.
func (s *site) stranger(p page) *stranger {
	s.t.Helper()
	dir := s.t.TempDir()
	r := &stranger{s: s, changes: p.file, shown: p.shown, home: filepath.Join(dir, "home"), state: filepath.Join(dir, "state"), kubeconfig: filepath.Join(dir, "kubeconfig")}
	tools, socket := filepath.Join(dir, "tools"), filepath.Join(env(s.t, "CIRCLECI_DR_TESTBED"), "containerd", "containerd.sock")
	for _, made := range []string{r.home, tools} {
		if err := os.Mkdir(made, 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"skopeo": fmt.Sprintf(skopeo, socket), "helm": fmt.Sprintf(helm, bed)} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte(text), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Cleanup(func() { // the name would hide what a later test builds
		_ = exec.Command("ctr", "--address", socket, "--namespace", "k8s.io", "images", "rm", "registry.example.com/circleci-dr:1").Run()
	})
	config, err := clientcmd.LoadFromFile(env(s.t, "KUBECONFIG"))
	if err != nil {
		s.t.Fatal(err)
	}
	was := config.Contexts[config.CurrentContext]
	config.Contexts, config.CurrentContext = map[string]*api.Context{"prod": {Cluster: was.Cluster, AuthInfo: was.AuthInfo, Namespace: s.ns}}, ""
	if err := clientcmd.WriteToFile(*config, r.kubeconfig); err != nil {
		s.t.Fatal(err)
	}
	checkout, err := filepath.Abs("../..")
	if err != nil {
		s.t.Fatal(err)
	}
	r.env = append(s.command(s.t.Context(), nil).Env, "KUBECONFIG="+r.kubeconfig, "PATH="+tools+":"+os.Getenv("PATH"),
		"CIRCLECI_DR_CHART=", "CIRCLECI_DR_MOVER_IMAGE=", "STATE="+r.state, "MAKEFLAGS=",
		// The archive of Debian may have gone on since the packages were pinned.
		"IMAGE_FLAGS=-newest-if-stale",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url."+checkout+".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/circleci-dr/circleci-dr.git")
	return r
}

// session runs a block where the one before has left off: directory and
// variables are what they were.
const session = `set -euo pipefail
if [ -e "$STATE" ]; then . "$STATE"; cd "$(cat "$STATE.dir")"; fi
set -a
%s
set +a
export -p >"$STATE"
pwd >"$STATE.dir"
`

// types runs commands as they stand and gives what they say.
func (r *stranger) types(commands string) string {
	r.s.t.Helper()
	cmd := exec.CommandContext(r.s.t.Context(), "bash", "-c", fmt.Sprintf(session, commands))
	cmd.Dir, cmd.Env = r.home, r.env
	out, err := cmd.CombinedOutput()
	r.s.t.Logf("$ %s\n%s", strings.ReplaceAll(strings.TrimSpace(commands), "\n", "\n$ "), out)
	if err != nil {
		r.s.t.Fatalf("%v:\n%s\n%s", err, commands, out)
	}
	r.s.noSecrets("what the commands said", string(out))
	return string(out)
}

// at is the directory that the shell is in.
func (r *stranger) at() string {
	r.s.t.Helper()
	dir, err := os.ReadFile(r.state + ".dir")
	if err != nil {
		r.s.t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}

func (r *stranger) reads(name string) string {
	r.s.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.at(), name))
	if err != nil {
		r.s.t.Fatal(err)
	}
	return string(text)
}

func (r *stranger) writes(name, text string) {
	r.s.t.Helper()
	if err := os.WriteFile(filepath.Join(r.at(), name), []byte(text), 0o600); err != nil {
		r.s.t.Fatal(err)
	}
}
