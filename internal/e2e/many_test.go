//go:build testbed

package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// turnstile passes requests on to the API server and counts them.
type turnstile struct {
	mu    sync.Mutex
	calls map[string]int // by method and path
	proxy *httputil.ReverseProxy
}

// ServeHTTP counts a request and passes it on.
func (c *turnstile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.calls[r.Method+" "+r.URL.Path]++
	c.mu.Unlock()
	c.proxy.ServeHTTP(w, r)
}

// counted is a kubeconfig through a turnstile, which logs in for everybody.
func (s *site) counted() (*turnstile, string) {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", env(s.t, "KUBECONFIG"))
	if err != nil {
		s.t.Fatal(err)
	}
	to, err := url.Parse(config.Host)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &turnstile{calls: map[string]int{}, proxy: httputil.NewSingleHostReverseProxy(to)}
	c.proxy.FlushInterval = -1 // logs are followed
	if c.proxy.Transport, err = rest.TransportFor(config); err != nil {
		s.t.Fatal(err)
	}
	server := httptest.NewServer(c)
	s.t.Cleanup(server.Close)
	out, err := clientcmd.LoadFromFile(env(s.t, "KUBECONFIG"))
	if err != nil {
		s.t.Fatal(err)
	}
	for name := range out.Clusters {
		out.Clusters[name] = &api.Cluster{Server: server.URL}
	}
	for name := range out.AuthInfos {
		out.AuthInfos[name] = &api.AuthInfo{}
	}
	path := filepath.Join(s.dir, "counted.kubeconfig")
	if err := clientcmd.WriteToFile(*out, path); err != nil {
		s.t.Fatal(err)
	}
	return c, path
}

// callsOf plans once and gives how often it called what.
func (s *site) callsOf(c *turnstile, kubeconfig string) map[string]int {
	s.t.Helper()
	c.mu.Lock()
	c.calls = map[string]int{}
	c.mu.Unlock()
	begun := time.Now()
	s.want(0, "plan", "--no-inspect", "--kubeconfig", kubeconfig)
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	for _, n := range c.calls {
		total += n
	}
	if total > callsOfAPlan {
		s.t.Errorf("a plan makes %d calls, more than %d: %v", total, callsOfAPlan, c.calls)
	}
	s.t.Logf("a plan beside its inspect Job: %d calls, %s", total, time.Since(begun).Round(10*time.Millisecond))
	return maps.Clone(c.calls)
}

// callsOfAPlan is how many requests a plan may make beside its inspect Job.
const callsOfAPlan = 60

// TestManyDeployments: a plan asks little, and six hundred more Deployments cost
// it the pages they fill and no other call.
func TestManyDeployments(t *testing.T) {
	s := newSite(t, "e2e-many", "5MB")
	s.want(0, "plan") // records the inspection
	c, kubeconfig := s.counted()
	few := s.callsOf(c, kubeconfig)
	for i := range 600 {
		labels := map[string]string{"layer": "application", "app": fmt.Sprintf("idle-%d", i)}
		zero := int32(0)
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: labels["app"], Labels: labels}, Spec: appsv1.DeploymentSpec{
			Replicas: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "idle", Image: "tb/pause:1"}}}},
		}}
		if _, err := s.kube.AppsV1().Deployments(s.ns).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	many := s.callsOf(c, kubeconfig)
	more := map[string]int{}
	for what, n := range many {
		if n != few[what] {
			more[what] = n - few[what]
		}
	}
	if want := map[string]int{"GET /apis/apps/v1/namespaces/" + s.ns + "/deployments": 1}; !maps.Equal(more, want) {
		t.Errorf("the calls more are %v, want %v", more, want)
	}
}
