package server

import (
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Preview is what a Helm upgrade would really do to the cluster, object by
// object, found by the three-way patch that Helm itself would send. What any
// upgrade with the same values would change as well is no difference in it.
type Preview struct {
	Chart        string `json:"chart"`
	ChartVersion string `json:"chartVersion"`
	ChartDigest  string `json:"chartDigest"`
	// Faithful tells that the chart, rendered with the release's own config,
	// gives the release's own manifest.
	Faithful bool `json:"faithful"`
	// Unfaithful says where it does not.
	Unfaithful []string        `json:"unfaithful,omitempty"`
	Objects    []ObjectPreview `json:"objects"`
	// Hooks run with the upgrade or with a rollback of it, HookTimeout each at
	// most.
	Hooks       []Hook        `json:"hooks,omitempty"`
	HookTimeout time.Duration `json:"hookTimeout,omitempty"`
	// Reads are the keys of passwords that the upgraded workloads read.
	Reads []SecretRead `json:"reads,omitempty"`
	// Record is the release record that the upgrade stores.
	Record RecordSize `json:"record,omitzero"`
}

// SecretRead is a key of a Secret that workloads read.
type SecretRead struct {
	Secret string `json:"secret"`
	// Key is empty where they take all keys there are.
	Key string `json:"key,omitempty"`
	// Optional tells that their pods start without it.
	Optional bool `json:"optional,omitempty"`
	// By are the workloads, Kind/name each.
	By []string `json:"by"`
}

// ObjectPreview is what would happen to one object.
type ObjectPreview struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Action is create, update or delete, or ObjectKept.
	Action string `json:"action"`
	// Template is the chart template it comes from, such as
	// circleci-server/charts/postgresql/templates/statefulset.yaml.
	Template string `json:"template"`
	// EveryTime tells that every upgrade makes or removes such an object, under
	// another name each time.
	EveryTime bool `json:"everyTime,omitempty"`
	// Trust tells that it is made only because tls.certificates changes.
	Trust bool `json:"trust,omitempty"`
	// Layer is the object's layer label.
	Layer string `json:"layer,omitempty"`
	// Rendered are fields that differ between the old and new manifest;
	// Drifted ones differ only because somebody changed the live object.
	Rendered []RenderedChange `json:"rendered,omitempty"`
	Drifted  []engine.Change  `json:"drifted,omitempty"`
	// Renewed are fields that any upgrade fills anew, with whatever values:
	// random content, the time, the number of the revision.
	Renewed []Renewal `json:"renewed,omitempty"`
}

// ObjectKept is the action of an object that leaves the release and stays alive:
// nothing happens to it.
const ObjectKept = "keep"

// Ref names the object for people: Kind/name.
func (o ObjectPreview) Ref() string { return o.Kind + "/" + o.Name }

// RenderedChange is a field that the upgrade changes. Its texts are shortened
// and without secrets; what it is was judged on all of it.
type RenderedChange struct {
	engine.Change
	Verdict
	// Trust tells that a changed tls.certificates has a part in it, or all.
	Trust bool `json:"trust,omitempty"`
}

// Renewal is a field whose content is new with every upgrade.
type Renewal struct {
	Field string `json:"field"`
	// Credential tells that somebody may have to know the content: it stands
	// where secrets stand and is no certificate.
	Credential bool `json:"credential,omitempty"`
	// Address are the datastores whose old address becomes the new one in it.
	Address []mover.Engine `json:"address,omitempty"`
}
