//go:build testbed

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// outside are the servers outside the cluster that a site has for itself, by
// their names in the testbed.
type outside struct {
	postgres, port   string
	mongo, mongoPort string
}

// lendable are those that no site has at the moment. The testbed has a twin of
// each, so that two installations are moved at a time.
var lendable = func() chan outside {
	all := []outside{{"pg14", "15414", "mongo44", "27044"}, {"pg14b", "15514", "mongo44b", "27144"}}
	c := make(chan outside, len(all))
	for _, o := range all {
		c <- o
	}
	return c
}()

// borrow waits for servers that nobody uses; they are given back after all that
// the test cleans up later.
func borrow(t *testing.T) outside {
	t.Helper()
	o := <-lendable
	t.Cleanup(func() { lendable <- o })
	return o
}

// host is the PostgreSQL's name as pods reach it.
func (o outside) host() string { return o.postgres + ".testbed" }

// address is the PostgreSQL's host and port.
func (o outside) address() string { return o.host() + ":" + o.port }

// mongoHost is the MongoDB's name as pods reach it.
func (o outside) mongoHost() string { return o.mongo + ".testbed" }

// mongoAddress is the MongoDB's host and port.
func (o outside) mongoAddress() string { return o.mongoHost() + ":" + o.mongoPort }

// processes gives the pids of the processes in the site's own pods whose
// command line has every part.
func (s *site) processes(parts ...string) (own []int) {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.ns).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, pid := range processes(parts...) {
		groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil {
			continue // it has ended
		}
		for _, p := range pods.Items {
			if strings.Contains(string(groups), string(p.UID)) {
				own = append(own, pid)
				break
			}
		}
	}
	return own
}
