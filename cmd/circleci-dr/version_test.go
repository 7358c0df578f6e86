package main

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/spec"
)

// The pods of a release run the image of its own version where none is named,
// those of a development build none.
func TestPublishedImage(t *testing.T) {
	t.Cleanup(func() { version = "" })
	p := &program{env: func(string) (string, bool) { return "", false }}
	for was, want := range map[string]string{"": "", "1.2.3": "ghcr.io/circleci-dr/circleci-dr:1.2.3"} {
		version = was
		if got := p.kubeOptions(&spec.Spec{Server: &spec.Server{}}, common{}, access{}).Image; got != want {
			t.Errorf("version %q: pods run %q, want %q", was, got, want)
		}
	}
}
