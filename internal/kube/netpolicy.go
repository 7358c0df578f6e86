package kube

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Policies judges whether network policies keep the pods of workloads, and our
// own, from hosts. It reads policies of the kind every cluster knows; what a
// network plugin has beside it is out of sight.
func (c *Client) Policies(ctx context.Context, stands []server.Stand, hosts []mover.Reached) engine.Observed[[]server.PolicyVerdict] {
	g, err := c.policed(ctx)
	if err != nil {
		return engine.CouldNot[[]server.PolicyVerdict](err)
	}
	if len(g.policies) == 0 {
		return engine.Found([]server.PolicyVerdict(nil))
	}
	shape, err := c.shape(ctx)
	if err != nil {
		return engine.CouldNot[[]server.PolicyVerdict](err)
	}
	subjects := map[string]map[string]string{"": c.labelsOf(shape)}
	for _, w := range g.workloads {
		onNode := w.template.Spec.HostNetwork // no policy is about its pods
		if !onNode && slices.ContainsFunc(stands, func(s server.Stand) bool { return slices.Contains(s.Workloads, w.key()) }) {
			subjects[w.key()] = w.template.Labels
		}
	}
	net := network{namespace: c.options.Namespace, services: g.services, dns: c.dnsOnce(ctx)}
	var out []server.PolicyVerdict
	for _, subject := range keysOf(subjects) {
		over := governing(g.policies, subjects[subject])
		for _, host := range hosts {
			if v := net.judgeHost(over, host); v != nil {
				v.Subject = subject
				out = append(out, *v)
			}
		}
	}
	return engine.Found(out)
}

// policed is what the newest look at where pods stand read of policies, workloads
// and Services; where there was none, it is read.
func (c *Client) policed(ctx context.Context) (grounds, error) {
	if g := c.stood.Load(); g != nil {
		return *g, nil
	}
	var g grounds
	var err error
	if g.policies, err = c.networkPolicies(ctx); err != nil {
		return g, describe(err, "list NetworkPolicies")
	}
	if len(g.policies) == 0 {
		return g, nil
	}
	if g.workloads, _, err = c.layer(ctx); err != nil {
		return g, err
	}
	g.services, err = all[corev1.Service](ctx, "", listOf(c.kube.CoreV1().Services(c.options.Namespace).List))
	return g, describe(err, "list Services")
}

// governing are the policies that limit where pods with these labels connect.
func governing(policies []networkingv1.NetworkPolicy, set map[string]string) []networkingv1.NetworkPolicy {
	var out []networkingv1.NetworkPolicy
	for _, p := range policies {
		limits := slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || len(p.Spec.PolicyTypes) == 0 && len(p.Spec.Egress) > 0
		selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
		if limits && err == nil && selector.Matches(labels.Set(set)) {
			out = append(out, p)
		}
	}
	return out
}

// answer is what a rule says: no, perhaps, or yes.
type answer int

const (
	no answer = iota
	perhaps
	yes
)

// judgeHost says what policies make of the way to one host, nil where they let
// it pass or there are none. One rule of one policy is enough to let it pass.
func (n network) judgeHost(over []networkingv1.NetworkPolicy, host mover.Reached) *server.PolicyVerdict {
	if len(over) == 0 {
		return nil
	}
	v := &server.PolicyVerdict{Host: host.Host}
	for _, p := range over {
		v.Policies = append(v.Policies, p.Name)
	}
	name, portText, err := net.SplitHostPort(host.Host)
	port, errPort := strconv.ParseInt(portText, 10, 32)
	if err != nil || errPort != nil {
		v.Undecided = "the address is no host and port"
		return v
	}
	addresses := host.Addresses
	literal, err := netip.ParseAddr(name)
	if err == nil {
		addresses = []string{literal.String()}
	} else {
		asks, unclear := n.asksDNS(over)
		if asks == no {
			v.Why = "no rule of it lets them ask a DNS server (port 53)"
			return v
		}
		v.Undecided = unclear
	}
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	counts := map[answer]int{}
	for _, address := range addresses {
		counts[anyRule(over, func(r networkingv1.NetworkPolicyEgressRule) answer {
			return min(n.portOpen(r, name, int32(port)), peerAllowed(r, address, n.inside(name) || n.behind(address) != nil))
		})]++
	}
	switch {
	case counts[no] == len(addresses):
		v.Why, v.Undecided = fmt.Sprintf("no rule of it allows %s on port %d", orElse(strings.Join(host.Addresses, ", "), name), port), ""
	case v.Undecided != "":
	case counts[perhaps] > 0 && len(host.Addresses) == 0 && err != nil:
		v.Undecided = "what the name resolves to is not known, or is a pod"
	case counts[perhaps] > 0:
		v.Undecided = "a rule allows pods, a named port or the port of the pods behind a Service, and whether the address is meant is not known"
	case counts[no] > 0:
		v.Undecided = fmt.Sprintf("it allows %d of the name's %d addresses", counts[yes], len(addresses))
	default:
		return nil
	}
	return v
}

// inCluster tells whether a name may be one of the cluster's own, such as
// pg.databases, so that a pod may stand behind it.
func inCluster(name string) bool {
	return strings.Count(name, ".") < 2 || strings.HasSuffix(name, ".svc") || strings.Contains(name, ".svc.")
}

func anyRule(over []networkingv1.NetworkPolicy, judge func(networkingv1.NetworkPolicyEgressRule) answer) answer {
	best := no
	for _, p := range over {
		for _, r := range p.Spec.Egress {
			best = max(best, judge(r))
		}
	}
	return best
}

// portAllowed judges a port; without a protocol any will do.
func portAllowed(r networkingv1.NetworkPolicyEgressRule, port int32, protocol corev1.Protocol) answer {
	if len(r.Ports) == 0 {
		return yes
	}
	best := no
	for _, p := range r.Ports {
		given := corev1.ProtocolTCP
		if p.Protocol != nil {
			given = *p.Protocol
		}
		switch {
		case protocol != "" && given != protocol:
		case p.Port == nil:
			return yes
		case p.Port.StrVal != "":
			best = max(best, perhaps)
		case p.Port.IntVal == port, p.EndPort != nil && p.Port.IntVal <= port && port <= *p.EndPort:
			return yes
		}
	}
	return best
}

// peerAllowed judges an address, "" for one that is not known.
func peerAllowed(r networkingv1.NetworkPolicyEgressRule, address string, inside bool) answer {
	if len(r.To) == 0 {
		return yes
	}
	best := no
	for _, to := range r.To {
		switch {
		case to.IPBlock != nil:
			best = max(best, blockAllowed(*to.IPBlock, address))
		case inside || address == "":
			best = max(best, perhaps)
		}
	}
	return best
}

func blockAllowed(b networkingv1.IPBlock, address string) answer {
	block, err := netip.ParsePrefix(b.CIDR)
	if err != nil {
		return perhaps
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if block.Bits() == 0 && len(b.Except) == 0 {
			return yes
		}
		return perhaps
	}
	if !block.Contains(ip.Unmap()) {
		return no
	}
	for _, text := range b.Except {
		if except, err := netip.ParsePrefix(text); err == nil && except.Contains(ip.Unmap()) {
			return no
		}
	}
	return yes
}
