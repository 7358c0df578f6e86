package main

import (
	"bytes"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

func TestWhereAnApplyWorks(t *testing.T) {
	outage := engine.Plan{Steps: []engine.Step{{Risk: engine.Safe}, {Risk: engine.Outage}}}
	harmless := engine.Plan{Steps: []engine.Step{{Risk: engine.Safe}}}
	for _, tc := range []struct {
		name    string
		env     map[string]string
		wish    placeWish
		plan    engine.Plan
		cluster bool
		said    string
	}{
		{"a workstation", nil, wishNone, outage, false, "runs on this machine: if it dies, CircleCI stays stopped until you run this again; --in-cluster survives that\n"},
		{"a workstation that asks", nil, wishCluster, outage, true, "runs in the cluster (--in-cluster)\n"},
		{"a workstation that asks for little", nil, wishCluster, harmless, true, "runs in the cluster (--in-cluster)\n"},
		{"a CI job", map[string]string{"CI": "true"}, wishNone, outage, true,
			"runs in the cluster: CI is set, so this is a CI job, and the plan stops the application (--in-cluster=false keeps it here)\n"},
		{"a CI job of Jenkins", map[string]string{"JENKINS_URL": "https://ci"}, wishNone, outage, true,
			"runs in the cluster: JENKINS_URL is set, so this is a CI job, and the plan stops the application (--in-cluster=false keeps it here)\n"},
		{"a CI job without an outage", map[string]string{"CI": "true"}, wishNone, harmless, false, "runs on this machine: the plan does not stop the application\n"},
		{"a CI job that refuses", map[string]string{"CI": "true"}, wishHere, outage, false, "runs on this machine (--in-cluster=false)\n"},
		{"CI said to be off", map[string]string{"CI": "false", "CIRCLECI": ""}, wishNone, outage, false, "runs on this machine: if it dies, CircleCI stays stopped until you run this again; --in-cluster survives that\n"},
		{"nothing to do", map[string]string{"CI": "true"}, wishCluster, engine.Plan{}, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var said bytes.Buffer
			p := &program{err: &said, env: func(name string) (string, bool) { v, ok := tc.env[name]; return v, ok }}
			if got := p.choosePlace(tc.wish, tc.plan); got != tc.cluster || said.String() != tc.said {
				t.Errorf("in the cluster: %t, said %q", got, said.String())
			}
		})
	}
}
