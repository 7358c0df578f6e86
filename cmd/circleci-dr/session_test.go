package main

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// TestPatient: a job of the very CircleCI that would be stopped is recognised,
// a job of another one is not.
func TestPatient(t *testing.T) {
	rel := server.Release{Domain: "ci.example.com"}
	for _, tc := range []struct {
		name string
		env  map[string]string
		rel  server.Release
		want string
	}{
		{"a workstation", nil, rel, ""},
		{"a job of this installation", map[string]string{"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://CI.example.com/gh/a/b/1"}, rel, "CIRCLE_BUILD_URL is on ci.example.com"},
		{"a job of the cloud", map[string]string{"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://circleci.com/gh/a/b/1"}, rel, ""},
		{"another CI with a stray variable", map[string]string{"CIRCLE_BUILD_URL": "https://ci.example.com/gh/a/b/1"}, rel, ""},
		{"a release without a domain", map[string]string{"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://ci.example.com/1"}, server.Release{}, ""},
		{"a URL that is none", map[string]string{"CIRCLECI": "true", "CIRCLE_BUILD_URL": "::"}, rel, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := &program{env: func(name string) (string, bool) { v, ok := tc.env[name]; return v, ok }}
			if got := p.patient(tc.rel); got != tc.want {
				t.Errorf("patient = %q, want %q", got, tc.want)
			}
		})
	}
}
