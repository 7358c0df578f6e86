//go:build testbed

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// secretValues are the values of every Secret of the installation, and the
// external administrator's password: none of them may ever be seen.
func (s *site) secretValues() []string {
	s.t.Helper()
	list, err := s.kube.CoreV1().Secrets(s.ns).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, secret := range list.Items {
		if secret.Type == "helm.sh/release.v1" {
			continue
		}
		for _, v := range secret.Data {
			if len(v) >= 8 { // shorter ones would be found in anything
				out = append(out, string(v))
			}
		}
	}
	if len(out) < 3 {
		s.t.Fatalf("found %d secret values, so the search for them proves nothing", len(out))
	}
	return out
}

func (s *site) noSecrets(where, text string) {
	s.t.Helper()
	for _, v := range s.secrets {
		if strings.Contains(text, v) {
			s.t.Errorf("a secret stands in %s", where)
		}
	}
}

// siteVariable marks the runs of a site in their environment.
const siteVariable = "CIRCLECI_DR_E2E_SITE="

// watchProcesses looks at the arguments and the environment of every process
// of this machine until stop is called; pods are processes of it too.
func (s *site) watchProcesses() (stop func() (looked int)) {
	done, ended := make(chan struct{}), make(chan struct{})
	looked := 0
	var once sync.Once
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			looked += s.lookAtProcesses()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int {
		once.Do(func() { close(done) })
		<-ended
		return looked
	}
}

func (s *site) lookAtProcesses() int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	n := 0
	for _, f := range files {
		args, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		n++
		ours := bytes.Contains(args, []byte("circleci-dr"))
		text := string(args)
		if ours {
			environment, err := os.ReadFile(filepath.Join(filepath.Dir(f), "environ"))
			// The run of another test may have been given the same password there.
			if other := bytes.Contains(environment, []byte(siteVariable)) && !bytes.Contains(environment, []byte(siteVariable+s.ns+"\x00")); err == nil && !other {
				text += string(environment)
			}
		}
		for _, v := range s.secrets {
			if strings.Contains(text, v) {
				s.t.Errorf("a secret stands in the arguments or environment of %q", firstWord(args))
			}
		}
	}
	return n
}

func firstWord(args []byte) string {
	word, _, _ := bytes.Cut(args, []byte{0})
	return string(word)
}

// lookAtObjects searches what the cluster shows to people who may not read
// Secrets: ConfigMaps, Jobs, Pods with their logs, Events, workloads.
func (s *site) lookAtObjects() {
	s.t.Helper()
	ctx, all := s.t.Context(), metav1.ListOptions{}
	see := func(what string, v any, err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatalf("list %s: %v", what, err)
		}
		data, err := json.Marshal(v)
		if err != nil {
			s.t.Fatal(err)
		}
		s.noSecrets("the "+what, string(data))
	}
	maps, err := s.kube.CoreV1().ConfigMaps(s.ns).List(ctx, all)
	see("ConfigMaps", maps, err)
	jobs, err := s.kube.BatchV1().Jobs(s.ns).List(ctx, all)
	see("Jobs", jobs, err)
	events, err := s.kube.CoreV1().Events(s.ns).List(ctx, all)
	see("Events", events, err)
	deployments, err := s.kube.AppsV1().Deployments(s.ns).List(ctx, all)
	see("Deployments", deployments, err)
	leases, err := s.kube.CoordinationV1().Leases(s.ns).List(ctx, all)
	see("Leases", leases, err)
	pods, err := s.kube.CoreV1().Pods(s.ns).List(ctx, all)
	see("Pods", pods, err)
	for _, pod := range pods.Items {
		log, err := s.kube.CoreV1().Pods(s.ns).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
		if err == nil {
			s.noSecrets("the log of "+pod.Name, string(log))
		}
	}
}

// TestNoSecrets checks the checker: a planted value is found.
func TestNoSecrets(t *testing.T) {
	s := &site{t: &testing.T{}, secrets: []string{"canary-value"}}
	s.noSecrets("a text", "this has the canary-value in it")
	if !s.t.Failed() {
		t.Error("a planted secret was not found")
	}
}
