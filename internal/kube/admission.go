package kube

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// remedies are the fields of the spec that shape our pods, by words that a
// refusal uses. Policies word it as they please, so this is help and no verdict.
var remedies = []struct {
	field string
	words []string
}{
	{"mover.labels", []string{"label"}},
	{"mover.annotations", []string{"annotation"}},
	{"mover.securityContext", []string{"runasuser", "runasgroup", "fsgroup", "security context constraint", "user id", "uid ", "user and group"}},
	{"mover.serviceAccountName", []string{"service account", "serviceaccount"}},
	{"mover.image", []string{"image", "registry"}},
	{"mover.resources", []string{"quota", "limits", "requests", "limitrange", "maximum cpu", "maximum memory"}},
	{"mover.nodeSelector", []string{"nodeselector", "node selector"}},
	{"mover.tolerations", []string{"toleration"}},
}

// remedy names the fields to look at when the cluster refuses a pod, or "".
func remedy(message string) string {
	text := strings.ToLower(message)
	if !strings.Contains(text, "forbidden") && !strings.Contains(text, "denied") {
		return ""
	}
	// What comes before is about the pod, whose name may hold any word.
	if _, after, found := strings.Cut(text, "forbidden:"); found {
		text = after
	}
	var fields []string
	for _, r := range remedies {
		for _, word := range r.words {
			if strings.Contains(text, word) {
				fields = append(fields, r.field)
				break
			}
		}
	}
	if len(fields) == 0 {
		fields = []string{"mover.labels", "mover.annotations", "mover.securityContext", "mover.serviceAccountName"}
	}
	return "; if the pod must be otherwise here, set " + strings.Join(fields, " or ") + " in the spec"
}

// denied tells a refusal by a rule from one that passes by itself, such as a
// quota that is used up, an account that is not there yet or a webhook that cannot
// be asked ("failed calling webhook"). These are the words of the API server itself
// (apiserver/pkg/admission: webhook/errors, plugin/policy/validating;
// pod-security-admission) and of OpenShift's admission.
func denied(message string) bool {
	has := func(words string) bool { return strings.Contains(message, words) }
	return has("admission webhook ") && has(" denied the request") ||
		has("violates PodSecurity ") ||
		has("ValidatingAdmissionPolicy ") && has(" denied request") ||
		has("unable to validate against any security context constraint")
}

// refusedJob words the refusal of a Job, which policies may judge by its pods.
func refusedJob(err error, what string) error {
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || strings.Contains(err.Error(), "denied the request") {
		return fmt.Errorf("%s: %w%s", what, err, remedy(err.Error()))
	}
	return fmt.Errorf("%s: %w", what, err)
}
