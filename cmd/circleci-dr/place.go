package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// placeWish is where somebody wants an apply to work.
type placeWish int

const (
	wishNone placeWish = iota // as the circumstances suggest
	wishHere
	wishCluster
)

func wishOf(c *cli.Context) placeWish {
	switch {
	case !c.IsSet("in-cluster"):
		return wishNone
	case c.Bool("in-cluster"):
		return wishCluster
	}
	return wishHere
}

// ciVariables are set by the CI systems that are in use; most of them set CI.
var ciVariables = []string{
	"CI", "CIRCLECI", "GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "JENKINS_URL", "TF_BUILD",
	"TEAMCITY_VERSION", "BITBUCKET_BUILD_NUMBER", "CODEBUILD_BUILD_ID", "DRONE",
}

// ci names the variable that tells that this is a CI job, or "".
func (p *program) ci() string {
	for _, name := range ciVariables {
		if v, ok := p.env(name); ok && v != "" && v != "false" && v != "0" {
			return name
		}
	}
	return ""
}

// mayGoToCluster tells, before there is a plan, whether the work may be an
// engine's.
func (p *program) mayGoToCluster(wish placeWish) bool {
	return wish == wishCluster || wish == wishNone && p.ci() != ""
}

// stopsApplication tells whether a plan has an outage.
func stopsApplication(plan engine.Plan) bool {
	for _, s := range plan.Steps {
		if s.Risk == engine.Outage {
			return true
		}
	}
	return false
}

// choosePlace tells whether the cluster does the work, and says so in one line
// before anything is begun. A job that may be cut off at any moment does not
// hold a stopped application.
func (p *program) choosePlace(wish placeWish, plan engine.Plan) (cluster bool) {
	outage, ci := stopsApplication(plan), p.ci()
	var why string
	switch {
	case len(plan.Steps) == 0:
		return false
	case wish == wishCluster:
		cluster, why = true, "in the cluster (--in-cluster)"
	case wish == wishHere:
		why = "on this machine (--in-cluster=false)"
	case outage && ci != "":
		cluster, why = true, "in the cluster: "+ci+" is set, so this is a CI job, and the plan stops the application (--in-cluster=false keeps it here)"
	case outage:
		why = "on this machine: if it dies, CircleCI stays stopped until you run this again; --in-cluster survives that"
	default:
		why = "on this machine: the plan does not stop the application"
	}
	fmt.Fprintln(p.err, "runs "+why)
	return cluster
}
