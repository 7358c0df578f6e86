package kube

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestReadOnlyRefusesWhatCouldChange(t *testing.T) {
	var reached []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = append(reached, r.Method+" "+r.URL.Path)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	calls := &Calls{}
	calls.Count(config)
	ReadOnly(config)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	const pod = "/api/v1/namespaces/a/pods/web"
	cases := []struct {
		method, path string
		passes       bool
	}{
		{"GET", pod, true},
		{"GET", pod + "/log", true},
		{"HEAD", pod, true},
		{"OPTIONS", pod, true},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", true},
		{"GET", "/api/v1/namespaces/a/configmaps/exec", true},
		{"GET", "/api/v1/namespaces/exec/configmaps/proxy", true},
		{"GET", pod + "/exec", false},
		{"GET", pod + "/attach", false},
		{"GET", pod + "/portforward", false},
		{"GET", "/api/v1/namespaces/a/services/web/proxy/admin", false},
		{"GET", "/api/v1/nodes/n/proxy/run", false},
		{"POST", pod + "/exec", false},
		{"POST", "/api/v1/namespaces/a/pods", false},
		{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", false},
		{"PUT", pod, false},
		{"PATCH", pod, false},
		{"DELETE", pod, false},
		{"DELETE", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", false},
	}
	passed := 0
	for _, c := range cases {
		reached = nil
		request, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if c.passes {
			passed++
			if err != nil {
				t.Errorf("%s %s: refused: %v", c.method, c.path, err)
				continue
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			continue
		}
		if !errors.Is(err, ErrReadOnly) || len(reached) != 0 {
			t.Errorf("%s %s: got error %v and the server saw %v, want it refused before it left", c.method, c.path, err, reached)
		}
	}
	if calls.n.Load() != int64(passed) {
		t.Errorf("counted %d calls, want %d", calls.n.Load(), passed)
	}
}

func TestReadOnlyReachesTypedClients(t *testing.T) {
	config := &rest.Config{Host: "http://127.0.0.1:1"}
	ReadOnly(config)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	err = client.CoreV1().Pods("a").Delete(t.Context(), "web", metav1.DeleteOptions{})
	if !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v, want ErrReadOnly", err)
	}
	const want = `Delete "http://127.0.0.1:1/api/v1/namespaces/a/pods/web": DELETE /api/v1/namespaces/a/pods/web: this command only reads; refused to send a request that could change the cluster`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
