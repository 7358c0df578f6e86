package kube

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A server that takes the connection and never says anything must not hold a
// command for ever.
func TestARequestThatIsNotAnsweredEnds(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer server.Close()
	defer close(over)
	config := &rest.Config{Host: server.URL}
	bounded(config, 10*time.Millisecond)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CoreV1().ConfigMaps("ns").Get(t.Context(), "name", metav1.GetOptions{})
	var silent silence
	if !errors.As(err, &silent) || !transient(err) {
		t.Fatalf("err = %v, want a transient silence", err)
	}
}

// What follows a log or watches waits as long as it has to.
func TestStreamsAreNotBounded(t *testing.T) {
	for query, want := range map[string]bool{"": false, "?follow=true": true, "?watch=true": true, "?limit=500": false} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/pods"+query, nil)
		if got := streams(r); got != want {
			t.Errorf("streams(%q) = %v, want %v", query, got, want)
		}
	}
}
