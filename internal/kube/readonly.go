package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// ErrReadOnly means a request was refused before it left, because the client
// must not change anything.
var ErrReadOnly = errors.New("this command only reads; refused to send a request that could change the cluster")

// ReadOnly makes every client of config refuse what could change something:
// every verb but GET, HEAD and OPTIONS, and the GETs that open a stream into
// a pod. Questions about our own rights are let through.
func ReadOnly(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return guard{next} })
}

type guard struct{ next http.RoundTripper }

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if mutating(r) {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper must; nothing was sent
		}
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, ErrReadOnly)
	}
	return g.next.RoundTrip(r)
}

// The questions that Kubernetes wants asked by POST.
const (
	accessReview = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	rulesReview  = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
)

func mutating(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return intoPod(r.URL.Path)
	case http.MethodPost:
		return !strings.HasSuffix(r.URL.Path, accessReview) && !strings.HasSuffix(r.URL.Path, rulesReview)
	}
	return true
}

// intoPod recognises exec, attach, port-forward and proxy: WebSocket clients
// open them with GET, and whatever is at the other end can be changed.
func intoPod(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		switch part {
		case "exec", "attach", "portforward":
			// …/pods/NAME/exec, not an object that is called exec
			if i >= 2 && parts[i-2] == "pods" {
				return true
			}
		case "proxy":
			if i >= 2 && (parts[i-2] == "pods" || parts[i-2] == "services" || parts[i-2] == "nodes") {
				return true
			}
		}
	}
	return false
}

// Calls counts the requests of one or more clients.
type Calls struct{ n atomic.Int64 }

// Count makes every client of config count its requests here.
func (c *Calls) Count(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{c, next} })
}

type counter struct {
	calls *Calls
	next  http.RoundTripper
}

func (t counter) RoundTrip(r *http.Request) (*http.Response, error) {
	t.calls.n.Add(1)
	return t.next.RoundTrip(r)
}
