package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// checkRoad judges what was tried of the application's own way to the target.
func checkRoad(o Observation, p Part) []engine.Finding {
	in := o.store(p.Engine).Inspection
	if p.To != spec.External || !in.Is() || in.Value.Road == nil {
		return nil
	}
	road := in.Value.Road
	var out []engine.Finding
	for _, t := range road.Tries {
		out = append(out, triedFindings(t, p, road.Verdicts)...)
	}
	if len(road.Untried) > 0 {
		out = append(out, untried(p, "the application's workloads", nil, strings.Join(road.Untried, "; ")))
	}
	reached := in.Value.Target != nil && in.Value.Target.Database != nil
	for _, v := range road.Verdicts {
		i := slices.IndexFunc(road.Tries, func(t server.RoadTry) bool { return slices.Contains(t.Workloads, v.Subject) })
		if v.Subject == "" && reached || i >= 0 && road.Tries[i].Result != nil { // what was tried counts, and says so itself
			continue
		}
		out = append(out, verdictFinding(v, p))
	}
	return out
}

func untried(p Part, whose string, workloads []string, why string) engine.Finding {
	what, brief := sentences("whether %s%s can reach %s from where they stand was not tried: %s", whose, some(workloads, 4), p.External, why)
	return engine.Finding{ID: "road-untried", Field: server.HostFieldOf(p.Engine), Source: sourceRoad, What: what, Brief: brief,
		Fix: "try it from one of their pods, or see that nothing keeps them from it"}
}

// podsOf is how findings begin to say whose pods are meant.
const podsOf = "the pods of "

// triedFindings say what one pod met.
func triedFindings(t server.RoadTry, p Part, verdicts []server.PolicyVerdict) []engine.Finding {
	switch {
	case t.Refused != "":
		return []engine.Finding{untried(p, podsOf, t.Workloads, t.Refused)}
	case t.Result == nil:
		return []engine.Finding{untried(p, podsOf, t.Workloads, "the pod that was to stand in their place gave no answer: "+t.Error)}
	case t.Reaches():
		return nil
	}
	var out []engine.Finding
	for _, h := range t.Result.Hosts {
		if h.Error == "" {
			continue
		}
		name := h.Host
		if h.Announced {
			name += ", a name that the replica set has for a member,"
		}
		what, fix := "cannot connect to "+name, "open the way from these pods to "+strings.Join(h.Addresses, ", ")+": network policies, the firewall, the service mesh"
		if len(h.Addresses) == 0 {
			what, fix = "cannot resolve "+name, "let these pods resolve the name (the cluster's DNS, their dnsPolicy, a network policy for port 53), or use a name that they can"
		}
		if by := policiesOf(verdicts, t, h.Host); len(by) > 0 {
			fix += "; NetworkPolicy " + strings.Join(by, ", ") + " allows it nowhere"
		}
		out = append(out, roadFinding(t, p, len(h.Addresses) == 0 || len(policiesOf(verdicts, t, h.Host)) > 0, fix, podsOf+"%s %s, tried by a pod with %s: %s", some(t.Workloads, 4), what, likeness(t), h.Error))
	}
	if t.Result.Login != "" {
		out = append(out, roadFinding(t, p, false, "let the server take logins from the addresses of these pods, such as by pg_hba.conf or its list of allowed networks",
			podsOf+"%s cannot log in to %s, tried by a pod with %s: %s", some(t.Workloads, 4), p.External, likeness(t), t.Result.Login))
	}
	return out
}

// roadFinding is what the pod met. It blocks where that holds for the application too:
// not where a label that may open the way had to be left out, unless a name is
// not even resolved or a policy says the same, and not where most hosts are
// reached, as of a replica set that has a member down.
func roadFinding(t server.RoadTry, p Part, explained bool, fix, format string, args ...any) engine.Finding {
	failed := 0
	for _, h := range t.Result.Hosts {
		if h.Error != "" {
			failed++
		}
	}
	few := t.Result.Login == "" && 2*failed < len(t.Result.Hosts)
	if few || len(t.Dropped) > 0 && !explained {
		what, brief := sentences(format, args...)
		return engine.Finding{ID: "application-road", Field: server.HostFieldOf(p.Engine), Source: sourceRoad, Fix: fix, What: what, Brief: brief}
	}
	return block("application-road", server.HostFieldOf(p.Engine), sourceRoad, fix, format, args...)
}

// likeness says how the pod is like the workload's.
func likeness(t server.RoadTry) string {
	out := "the labels, the account and the place of " + t.Workload
	if len(t.Dropped) > 0 {
		out += " (without the labels " + strings.Join(t.Dropped, ", ") + ", by which others select pods; a policy that goes by those may let the application through)"
	}
	return out
}

func policiesOf(verdicts []server.PolicyVerdict, t server.RoadTry, host string) []string {
	for _, v := range verdicts {
		if v.Host == host && slices.Contains(t.Workloads, v.Subject) && v.Undecided == "" {
			return v.Policies
		}
	}
	return nil
}

// verdictFinding says what policies would do. Whether the cluster's network enforces
// them is not known, so it blocks nothing: what is tried does.
func verdictFinding(v server.PolicyVerdict, p Part) engine.Finding {
	whose, fix := podsOf+v.Subject, "let it allow egress to "+v.Host
	if v.Subject == "" {
		whose, fix = "circleci-dr's own pods", "let it allow egress to "+v.Host+", or give our pods the labels of an allowed one in mover.labels"
	}
	what := fmt.Sprintf("NetworkPolicy %s selects %s and keeps them from %s: %s", strings.Join(v.Policies, ", "), whose, v.Host, v.Why)
	if v.Undecided != "" {
		what = fmt.Sprintf("whether NetworkPolicy %s lets %s reach %s cannot be told: %s", strings.Join(v.Policies, ", "), whose, v.Host, v.Undecided)
		fix = "see that it does"
	}
	return engine.Finding{ID: "network-policy", Field: server.HostFieldOf(p.Engine), Source: sourceRoad, What: what, Fix: fix}
}
