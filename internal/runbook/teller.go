package runbook

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The names of the engine's own objects in the release's namespace, in which a
// person looks. A test holds them against those of the adapters that write them.
const (
	leaseName   = "circleci-dr"
	recordName  = "circleci-dr-"
	recordKey   = "record.json"
	replicasKey = "circleci-dr/replicas"
	oursLabel   = "app.kubernetes.io/managed-by=circleci-dr"
	layerLabel  = "layer=application"
	ownDatabase = "circleci_dr"
)

// teller writes one text: it knows the names, and collects what the commands
// need before them.
type teller struct {
	n reconcile.Names
	// inwards tells that the move leads into the cluster.
	inwards bool
	// wanted are the variables for names that nobody knew, in order.
	wanted []variable
	// sides are the servers that the commands speak to, in order.
	sides []side
	// unknown are the datastores that this version does not know.
	unknown []mover.Engine
}

// variable stands for a name that the plan does not carry: find prints it, and
// without a command hint says how a person finds it.
type variable struct{ name, find, hint string }

// side is one server of a datastore.
type side struct {
	engine mover.Engine
	at     spec.Location
}

// known gives a name as a word of a shell, or the variable in its place.
func (t *teller) known(value string, v variable) string {
	if value != "" {
		return word(value)
	}
	for _, w := range t.wanted {
		if w.name == v.name {
			return `"$` + v.name + `"`
		}
	}
	t.wanted = append(t.wanted, v)
	return `"$` + v.name + `"`
}

func (t *teller) context() string {
	return t.known(t.n.KubeContext, variable{name: "CONTEXT", hint: "the cluster: kubectl config get-contexts lists them"})
}

func (t *teller) namespace() string {
	return t.known(t.n.Namespace, variable{name: "NAMESPACE", hint: "the namespace of the release: helm list --all-namespaces"})
}

func (t *teller) release() string {
	return t.known(t.n.Release, variable{name: "RELEASE", hint: "the Helm release of CircleCI Server: helm list --all-namespaces"})
}

// kubectl and helm are commands on this very cluster and namespace: the ones
// that are current are never used.
func (t *teller) kubectl(command string) string {
	return "kubectl --context " + t.context() + " --namespace " + t.namespace() + " " + command
}

func (t *teller) helm(command string) string {
	return "helm --kube-context " + t.context() + " --namespace " + t.namespace() + " " + command
}

// anywhere is kubectl for objects that have no namespace.
func (t *teller) anywhere(command string) string {
	return "kubectl --context " + t.context() + " " + command
}

// store is the name of the StatefulSet and Service of a datastore.
func (t *teller) store(e mover.Engine) string {
	have := t.n.Store(e).Inside
	if have != "" {
		return word(have)
	}
	return t.known("", variable{name: hands[e].prefix + "_NAME", find: t.kubectl("get statefulset -l " + t.labels(e) + " -o go-template='{{range .items}}{{.metadata.name}}{{end}}'")})
}

// labels select a datastore's own objects in the release.
func (t *teller) labels(e mover.Engine) string {
	return "app.kubernetes.io/name=" + string(e) + ",app.kubernetes.io/instance=" + t.release()
}

// key reads one key of a Secret, or of a ConfigMap, as it is.
func (t *teller) key(kind, name, key string) string {
	decode := ""
	if kind == "secret" {
		decode = " | base64decode"
	}
	return t.kubectl("get " + kind + " " + name + ` -o go-template='{{index .data "` + templateText(key) + `"` + decode + "}}'")
}

// templateText is a key inside a quoted string of a go-template inside a quoted
// word of a shell. Kubernetes allows no other characters in keys.
func templateText(key string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return r
		}
		return '?'
	}, key)
}

// record reads one of the tool's own records.
func (t *teller) record(name string) string { return t.key("configmap", recordName+name, recordKey) }

// revision is the Helm revision to go back to.
func (t *teller) revision() string {
	have := ""
	if t.n.Revision > 0 {
		have = itoa(t.n.Revision)
	}
	if have != "" {
		return have
	}
	return t.known("", variable{name: "REVISION", find: t.record("move") + ` | grep -oE '"revision":[0-9]+' | grep -oE '[0-9]+'`})
}

// outside is how an external server is reached, as far as it is known.
func (t *teller) outside(e mover.Engine) reconcile.OutsideNames {
	if o := t.n.Store(e).Outside; o != nil {
		return *o
	}
	return reconcile.OutsideNames{}
}
