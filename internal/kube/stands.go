package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// taker is somebody who takes pods for its own by their labels.
type taker struct {
	name     string
	selector labels.Selector
}

// grounds is what decides where pods of ours may stand.
type grounds struct {
	workloads []workload
	takers    []taker
	policies  []networkingv1.NetworkPolicy
	services  []corev1.Service
}

// Stands finds for each place from which workloads speak under which labels a
// pod of ours can stand there: the policies select it as they select the
// workload's pods, and no Service, workload or PodDisruptionBudget does. A Service
// may publish pods that are not ready.
func (c *Client) Stands(ctx context.Context) engine.Observed[[]server.Stand] {
	c.stood.Store(nil)
	g, err := c.grounds(ctx)
	if err != nil {
		return engine.CouldNot[[]server.Stand](err)
	}
	c.stood.Store(&g) // whoever stands there, and what policies say, is the same
	places := map[string]*server.Stand{}
	var order []string
	for _, w := range g.workloads {
		if w.kind == kindCronJob { // it stands where the others do, and rests meanwhile
			continue
		}
		found, err := g.stand(w, c.ours())
		if err != nil {
			return engine.CouldNot[[]server.Stand](err)
		}
		place := g.place(w)
		known := places[place]
		switch {
		case known == nil:
			places[place], order = &found, append(order, place)
			continue
		case known.Refused != "" && found.Refused == "":
			found.Workloads = append(known.Workloads, found.Workloads...)
			places[place] = &found
		default:
			known.Workloads = append(known.Workloads, found.Workloads...)
		}
	}
	out := make([]server.Stand, 0, len(order))
	for _, place := range order {
		out = append(out, *places[place])
	}
	return engine.Found(out)
}

// selected is everybody in a namespace who selects pods by their labels.
type selected struct {
	services    []corev1.Service
	budgets     []policyv1.PodDisruptionBudget
	deployments []appsv1.Deployment
	replicas    []appsv1.ReplicaSet
	stateful    []appsv1.StatefulSet
	daemons     []appsv1.DaemonSet
	crons       []batchv1.CronJob
}

// grounds reads everybody who selects pods, the workloads among them.
func (c *Client) grounds(ctx context.Context) (grounds, error) {
	var g grounds
	var by selected
	ns := c.options.Namespace
	group, ctx := errgroup.WithContext(ctx)
	read := func(what string, list func() error) {
		group.Go(func() error { return describe(list(), "list "+what) })
	}
	read("Services", func() (err error) {
		by.services, err = all[corev1.Service](ctx, "", listOf(c.kube.CoreV1().Services(ns).List))
		return
	})
	read("PodDisruptionBudgets", func() (err error) {
		by.budgets, err = all[policyv1.PodDisruptionBudget](ctx, "", listOf(c.kube.PolicyV1().PodDisruptionBudgets(ns).List))
		return
	})
	read("Deployments", func() (err error) {
		by.deployments, err = all[appsv1.Deployment](ctx, "", listOf(c.kube.AppsV1().Deployments(ns).List))
		return
	})
	read("ReplicaSets", func() (err error) {
		by.replicas, err = all[appsv1.ReplicaSet](ctx, "", listOf(c.kube.AppsV1().ReplicaSets(ns).List))
		return
	})
	read("StatefulSets", func() (err error) {
		by.stateful, err = all[appsv1.StatefulSet](ctx, "", listOf(c.kube.AppsV1().StatefulSets(ns).List))
		return
	})
	read("DaemonSets", func() (err error) {
		by.daemons, err = all[appsv1.DaemonSet](ctx, "", listOf(c.kube.AppsV1().DaemonSets(ns).List))
		return
	})
	group.Go(func() (err error) { by.crons, err = c.cronJobs(ctx); return })
	read("NetworkPolicies", func() (err error) { g.policies, err = c.networkPolicies(ctx); return })
	if err := group.Wait(); err != nil {
		return g, err
	}
	g.take(by)
	g.services = by.services
	g.workloads = layerOf(slices.DeleteFunc(by.deployments, func(d appsv1.Deployment) bool { return !inLayer(d.ObjectMeta) }),
		slices.DeleteFunc(by.stateful, func(s appsv1.StatefulSet) bool { return !inLayer(s.ObjectMeta) }), by.crons)
	return g, nil
}

func (g *grounds) take(by selected) {
	for _, s := range by.services {
		if len(s.Spec.Selector) > 0 { // without one it selects nothing
			g.takers = append(g.takers, taker{"Service/" + s.Name, labels.SelectorFromSet(s.Spec.Selector)})
		}
	}
	for _, d := range by.deployments {
		g.takes("Deployment/"+d.Name, d.Spec.Selector)
	}
	for _, r := range by.replicas {
		g.takes("ReplicaSet/"+r.Name, r.Spec.Selector)
	}
	for _, s := range by.stateful {
		g.takes("StatefulSet/"+s.Name, s.Spec.Selector)
	}
	for _, d := range by.daemons {
		g.takes("DaemonSet/"+d.Name, d.Spec.Selector)
	}
	for _, b := range by.budgets {
		g.takes("PodDisruptionBudget/"+b.Name, b.Spec.Selector)
	}
}

func (c *Client) networkPolicies(ctx context.Context) ([]networkingv1.NetworkPolicy, error) {
	return all[networkingv1.NetworkPolicy](ctx, "", listOf(c.kube.NetworkingV1().NetworkPolicies(c.options.Namespace).List))
}

// takes remembers a selector. One that cannot be read may select anything.
func (g *grounds) takes(name string, s *metav1.LabelSelector) {
	selector, err := metav1.LabelSelectorAsSelector(s) // nil selects nothing
	if err != nil {
		selector = labels.Everything()
	}
	g.takers = append(g.takers, taker{name, selector})
}

// place tells workloads apart that do not speak from the same place.
func (g *grounds) place(w workload) string {
	t := w.template
	where, err := json.Marshal([]any{
		t.Spec.ServiceAccountName, t.Spec.NodeSelector, nodesOf(t.Spec.Affinity), t.Spec.Tolerations, t.Spec.HostNetwork, t.Spec.DNSPolicy, t.Spec.DNSConfig, t.Spec.HostAliases,
	})
	if err != nil { // API types always marshal
		panic(err)
	}
	return string(where) + fmt.Sprint(g.over(w, t.Labels))
}

// over are the rules that a pod in a workload's place falls under with a set of
// labels. A pod on its node's own network falls under none, as its node does
// (kubernetes.io/docs/concepts/services-networking/network-policies).
func (g *grounds) over(w workload, set map[string]string) []string {
	if w.template.Spec.HostNetwork {
		return nil
	}
	return g.selecting(set)
}

// nodesOf is what an affinity says of nodes: what it says of other pods is about
// the workload's own kind.
func nodesOf(a *corev1.Affinity) *corev1.NodeAffinity {
	if a == nil {
		return nil
	}
	return a.NodeAffinity
}

// selecting are the rules, by policy, that a set of labels falls under: the
// policy's own, and those that let others in.
func (g *grounds) selecting(set map[string]string) []string {
	var out []string
	for _, p := range g.policies {
		for i, s := range selectorsOf(p) {
			if selector, err := metav1.LabelSelectorAsSelector(s); err != nil || selector.Matches(labels.Set(set)) {
				out = append(out, fmt.Sprint(p.Name, "/", i))
			}
		}
	}
	return out
}

// selectorsOf are the selectors of a policy for pods of its namespace.
func selectorsOf(p networkingv1.NetworkPolicy) []*metav1.LabelSelector {
	out := []*metav1.LabelSelector{&p.Spec.PodSelector}
	for _, rule := range p.Spec.Ingress {
		for _, peer := range rule.From {
			if peer.PodSelector != nil {
				out = append(out, peer.PodSelector)
			}
		}
	}
	return out
}

// most is how many keys are tried for leaving out; workloads have four or five.
const most = 12

// stand leaves out of a workload's labels as few as it takes that nobody takes
// the pod for one of theirs.
func (g *grounds) stand(w workload, ours map[string]string) (server.Stand, error) {
	own := w.template.Labels
	out := server.Stand{Workload: w.key(), Workloads: []string{w.key()}}
	keys := slices.Sorted(maps.Keys(own))
	if len(keys) > most {
		return out, fmt.Errorf("%s has more than %d labels on its pods", w.key(), most)
	}
	wanted := g.over(w, own)
	best := -1
	unselected := false
	for without := range 1 << len(keys) {
		if best >= 0 && bits(without) >= bits(best) {
			continue
		}
		set := maps.Clone(ours)
		for i, key := range keys {
			if _, mine := ours[key]; without&(1<<i) == 0 && !mine {
				set[key] = own[key]
			}
		}
		if g.taken(set) != "" {
			continue
		}
		if unselected = true; slices.Equal(g.over(w, set), wanted) {
			best, out.Labels = without, set
		}
	}
	switch {
	case best >= 0:
		for i, key := range keys {
			if best&(1<<i) != 0 {
				out.Dropped = append(out.Dropped, key)
			}
		}
	case unselected:
		out.Refused = "the labels by which a network policy selects them are those by which a Service, a workload or a PodDisruptionBudget does (" + g.taken(own) + ")"
	default:
		out.Refused = g.taken(ours) + " selects a pod of ours whatever labels are left out"
	}
	return out, nil
}

func bits(n int) int {
	count := 0
	for ; n > 0; n &= n - 1 {
		count++
	}
	return count
}

// taken names who would take a pod with these labels for one of its own, or "".
func (g *grounds) taken(set map[string]string) string {
	var out []string
	for _, t := range g.takers {
		if t.selector.Matches(labels.Set(set)) {
			out = append(out, t.name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
