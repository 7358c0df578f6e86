package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// putRights makes the engine's ServiceAccount and what it may do. The binding
// and the account belong to the Role, the cluster's binding to the ClusterRole:
// removing the two roles removes everything, and an engine can take its own
// rights away as the last thing it does.
func (c *Client) putRights(ctx context.Context, rights []server.Permission) error {
	ns, rbac := c.options.Namespace, c.kube.RbacV1()
	role, err := renewed(ctx, rbac.Roles(ns), &rbacv1.Role{ObjectMeta: c.rightsMeta(engineName, nil),
		Rules: append(rulesOf(rights, false), ownRole("roles", engineName))}, "Role")
	if err != nil {
		return err
	}
	owner := []metav1.OwnerReference{{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role", Name: role.Name, UID: role.UID}}
	account := &corev1.ServiceAccount{ObjectMeta: c.rightsMeta(engineName, owner), AutomountServiceAccountToken: pointer(false)}
	if err := renew(ctx, c.kube.CoreV1().ServiceAccounts(ns), account, "ServiceAccount"); err != nil {
		return err
	}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: engineName, Namespace: ns}}
	if err := renew(ctx, rbac.RoleBindings(ns), &rbacv1.RoleBinding{ObjectMeta: c.rightsMeta(engineName, owner), Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: engineName}}, "RoleBinding"); err != nil {
		return err
	}
	name := c.clusterRole()
	whole, err := renewed(ctx, rbac.ClusterRoles(), &rbacv1.ClusterRole{ObjectMeta: c.rightsMeta(name, nil),
		Rules: append(rulesOf(rights, true), ownRole("clusterroles", name))}, "ClusterRole")
	if err != nil {
		return err
	}
	owner = []metav1.OwnerReference{{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: name, UID: whole.UID}}
	return renew(ctx, rbac.ClusterRoleBindings(), &rbacv1.ClusterRoleBinding{ObjectMeta: c.rightsMeta(name, owner), Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}}, "ClusterRoleBinding")
}

// clusterRole names what has no namespace after ours.
func (c *Client) clusterRole() string { return engineName + "-" + c.options.Namespace }

func (c *Client) rightsMeta(name string, owner []metav1.OwnerReference) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: c.ours(), OwnerReferences: owner}
}

// ownRole lets an engine remove its own rights, and nobody else's.
func ownRole(resource, name string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{resource}, Verbs: []string{"delete"}, ResourceNames: []string{name}}
}

// RemoveEngineWork removes what the engine was handed, secrets first.
func (c *Client) RemoveEngineWork(ctx context.Context, job string) error {
	ns, core := c.options.Namespace, c.kube.CoreV1()
	secrets, err := all[corev1.Secret](ctx, labelJob+"="+job, listOf(core.Secrets(ns).List))
	if err != nil {
		return fmt.Errorf("list the Secrets of %s: %w", job, err)
	}
	for _, s := range secrets {
		if !isOurs(s.ObjectMeta) {
			continue
		}
		if err := gone(core.Secrets(ns).Delete(ctx, s.Name, metav1.DeleteOptions{}), "Secret "+s.Name); err != nil {
			return err
		}
	}
	return gone(core.ConfigMaps(ns).Delete(ctx, job, metav1.DeleteOptions{}), "ConfigMap "+job)
}

// RemoveEngineRights removes the roles; Kubernetes removes what belongs to
// them. An engine that calls it can ask for nothing more afterwards.
func (c *Client) RemoveEngineRights(ctx context.Context) error {
	rbac, background := c.kube.RbacV1(), metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if err := gone(rbac.ClusterRoles().Delete(ctx, c.clusterRole(), options), "ClusterRole "+c.clusterRole()); err != nil {
		return err
	}
	return gone(rbac.Roles(c.options.Namespace).Delete(ctx, engineName, options), "Role "+engineName)
}

func gone(err error, what string) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", what, err)
}
