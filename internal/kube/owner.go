package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// secretInfo is what may be told of a Secret.
func secretInfo(s corev1.Secret) server.SecretInfo {
	return server.SecretInfo{Name: s.Name, Keys: keysOf(s.Data), Owner: ownerOf(s.ObjectMeta), Ours: isOurs(s.ObjectMeta)}
}

func isOurs(m metav1.ObjectMeta) bool { return m.Labels[labelManagedBy] == manager }

// marks are the prefixes of labels and annotations by which controllers tell
// that they own a Secret and would write over what others put into it.
var marks = []struct{ prefix, owner string }{
	{"reconcile.external-secrets.io/", "External Secrets"},
	{"external-secrets.io/", "External Secrets"},
	{"sealedsecrets.bitnami.com/", "Sealed Secrets"},
	{"secrets.hashicorp.com/", "Vault Secrets Operator"},
	{"vaultproject.io/", "Vault"},
	{"secrets-store.csi.", "Secrets Store CSI Driver"},
	{"argocd.argoproj.io/", "Argo CD"},
	{"kustomize.toolkit.fluxcd.io/", "Flux"},
	{"helm.toolkit.fluxcd.io/", "Flux"},
	{"reflector.v1.k8s.emberstack.com/reflect", "Reflector"},
}

// ownerOf names the controller that owns an object, or "".
func ownerOf(m metav1.ObjectMeta) string {
	for _, o := range m.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			return o.Kind + " " + o.Name
		}
	}
	for _, keys := range []map[string]string{m.Labels, m.Annotations} {
		for _, key := range keysOf(keys) {
			for _, mark := range marks {
				if strings.HasPrefix(key, mark.prefix) {
					return mark.owner
				}
			}
		}
	}
	if release := m.Annotations[annotHelmName]; release != "" {
		return "Helm release " + release
	}
	if by := m.Labels[labelManagedBy]; by != "" && by != manager {
		return by
	}
	if len(m.OwnerReferences) > 0 {
		return m.OwnerReferences[0].Kind + " " + m.OwnerReferences[0].Name
	}
	return ""
}
