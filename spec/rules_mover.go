package spec

import (
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
)

var (
	quantity  = regexp.MustCompile(`^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$`)
	labelName = regexp.MustCompile(`^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)
)

func moverQuantities(r *reporter, s *Spec) {
	for block, values := range map[string]map[string]string{"requests": s.Mover.Resources.Requests, "limits": s.Mover.Resources.Limits} {
		for name, text := range values {
			p := path{"mover", "resources", block, name}
			if name != "cpu" && name != "memory" && !qualifiedName(name) {
				r.add(p, CodeValue, "must be the name of a resource, such as cpu or memory", "", "")
			} else if text == "" || !quantity.MatchString(text) {
				r.add(p, CodeValue, "must be a Kubernetes quantity", showText(text), "for example 500m of cpu, 128Mi of memory")
			}
		}
	}
}

func moverTolerations(r *reporter, s *Spec) {
	for i, t := range s.Mover.Tolerations {
		p := path{"mover", "tolerations"}.index(i)
		switch {
		case t.Operator == "Exists" && t.Value != "":
			r.add(p.key("value"), CodeRule, "must not be given with operator Exists", "", "remove it, or use operator Equal")
		case t.Key == "" && t.Operator != "Exists" && !r.broken[p.key("operator").String()] && !r.broken[p.String()] && !r.broken[p.key("key").String()]:
			r.add(p, CodeRule, "must have a key unless its operator is Exists", "", "for example {key: dedicated, operator: Exists}")
		case t.Key != "" && !qualifiedName(t.Key):
			r.add(p.key("key"), CodeValue, "must be the key of a taint", showText(t.Key), "for example dedicated or node.kubernetes.io/unreachable")
		}
	}
}

func moverLabels(r *reporter, s *Spec) {
	for name, value := range s.Mover.NodeSelector {
		p := path{"mover", "nodeSelector", name}
		if !qualifiedName(name) {
			r.add(p, CodeValue, "must be the name of a label", "", "for example kubernetes.io/arch")
		} else if value != "" && !labelName.MatchString(value) {
			r.add(p, CodeValue, "must be the value of a label", showText(value), "at most 63 letters, digits, '-', '_' and '.'")
		}
	}
	for name := range s.Mover.Annotations {
		if !qualifiedName(name) {
			r.add(path{"mover", "annotations", name}, CodeValue, "must be the name of an annotation", "", "for example example.com/owner")
		}
	}
}

// moverPodLabels refuses labels that mean something to us or to Kubernetes.
func moverPodLabels(r *reporter, s *Spec) {
	for name, value := range s.Mover.Labels {
		p := path{"mover", "labels", name}
		switch {
		case !qualifiedName(name):
			r.add(p, CodeValue, "must be the name of a label", "", "for example egress or example.com/team")
		case value != "" && !labelName.MatchString(value):
			r.add(p, CodeValue, "must be the value of a label", showText(value), "at most 63 letters, digits, '-', '_' and '.'")
		case reservedLabel(name):
			r.add(p, CodeRule, "must not be a label that circleci-dr or Kubernetes sets itself", "", "remove it, or give another name")
		case name == "layer" && value == "application":
			r.add(p, CodeRule, "must not make the pods part of the application", "", "what has layer=application is stopped during a move; give another value or another label")
		}
	}
}

// reservedLabel tells whether we find our own objects by a label, or a Job its
// pods.
func reservedLabel(name string) bool {
	prefix, _, _ := strings.Cut(name, "/")
	switch name {
	case "app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/instance", "job-name", "controller-uid":
		return true
	}
	return slices.Contains([]string{"circleci-dr", "batch.kubernetes.io"}, prefix) && prefix != name
}

// qualifiedName is Kubernetes' [prefix/]name.
func qualifiedName(text string) bool {
	prefix, name, found := strings.Cut(text, "/")
	if !found {
		return labelName.MatchString(text)
	}
	return labelName.MatchString(name) && len(prefix) <= 253 && subdomain.MatchString(prefix)
}

func sortedNames(query url.Values) []string {
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	sort.Strings(names)
	return slices.Compact(names)
}
