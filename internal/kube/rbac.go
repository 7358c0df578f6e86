package kube

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// RoleOptions say for whom roles are written.
type RoleOptions struct {
	Namespace string
	// Use names the roles.
	Use reconcile.Use
	// ServiceAccount gets the roles; it and the bindings are left out when
	// empty.
	ServiceAccount string
}

// Roles writes rights as Kubernetes objects: a Role for what has a namespace,
// a ClusterRole for what has none and, for a service account, the account
// itself and both bindings. It asks no cluster.
func Roles(rights []server.Permission, o RoleOptions) ([]runtime.Object, error) {
	if problems := validation.IsDNS1123Subdomain(o.ServiceAccount); o.ServiceAccount != "" && len(problems) > 0 {
		return nil, fmt.Errorf("name service account %q: %s", o.ServiceAccount, strings.Join(problems, "; "))
	}
	name := manager + "-" + string(o.Use)
	labels := map[string]string{labelAppName: manager}
	var out []runtime.Object
	if o.ServiceAccount != "" {
		out = append(out, &corev1.ServiceAccount{TypeMeta: kindOfRBAC("v1", "ServiceAccount"),
			ObjectMeta: metav1.ObjectMeta{Name: o.ServiceAccount, Namespace: o.Namespace, Labels: labels}})
	}
	subject := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: o.ServiceAccount, Namespace: o.Namespace}}
	if rules := rulesOf(rights, false); len(rules) > 0 {
		meta := metav1.ObjectMeta{Name: name, Namespace: o.Namespace, Labels: labels}
		out = append(out, &rbacv1.Role{TypeMeta: kindOfRBAC(rbacAPI, "Role"), ObjectMeta: meta, Rules: rules})
		if o.ServiceAccount != "" {
			meta.Name += ":" + o.ServiceAccount
			out = append(out, &rbacv1.RoleBinding{TypeMeta: kindOfRBAC(rbacAPI, "RoleBinding"), ObjectMeta: meta, Subjects: subject,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}})
		}
	}
	if rules := rulesOf(rights, true); len(rules) > 0 {
		meta := metav1.ObjectMeta{Name: name, Labels: labels}
		out = append(out, &rbacv1.ClusterRole{TypeMeta: kindOfRBAC(rbacAPI, "ClusterRole"), ObjectMeta: meta, Rules: rules})
		if o.ServiceAccount != "" {
			// Another installation in this cluster has a binding of its own.
			meta.Name += ":" + o.Namespace + ":" + o.ServiceAccount
			out = append(out, &rbacv1.ClusterRoleBinding{TypeMeta: kindOfRBAC(rbacAPI, "ClusterRoleBinding"), ObjectMeta: meta, Subjects: subject,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}})
		}
	}
	return out, nil
}

const rbacAPI = rbacv1.GroupName + "/v1"

func kindOfRBAC(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

// rulesOf collects rights into rules: one for each set of verbs on kinds of one
// group, in the order of the rights.
func rulesOf(rights []server.Permission, cluster bool) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	verbs := map[string][]string{}
	var order []server.Permission
	for _, p := range rights {
		if p.Cluster != cluster {
			continue
		}
		key := p.Group + "/" + p.Resource
		if verbs[key] == nil {
			order = append(order, p)
		}
		verbs[key] = append(verbs[key], p.Verb)
	}
	for _, p := range order {
		v := verbs[p.Group+"/"+p.Resource]
		at := slices.IndexFunc(out, func(r rbacv1.PolicyRule) bool { return r.APIGroups[0] == p.Group && slices.Equal(r.Verbs, v) })
		if at >= 0 {
			out[at].Resources = append(out[at].Resources, p.Resource)
			continue
		}
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{p.Group}, Resources: []string{p.Resource}, Verbs: v})
	}
	return out
}
