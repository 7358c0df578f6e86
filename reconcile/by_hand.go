package reconcile

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Names are what a person has to know to do by hand what a plan would do: how
// things are called here, and where passwords are kept. They travel with the
// plan, so that its file is enough. What nobody knew is empty, never guessed,
// and no secret is among them.
type Names struct {
	KubeContext string `json:"kubeContext,omitempty"`
	Namespace   string `json:"namespace"`
	Release     string `json:"release"`
	// Chart is where the file says the chart is, ChartVersion what is deployed.
	Chart        string `json:"chart,omitempty"`
	ChartVersion string `json:"chartVersion,omitempty"`
	// Revision is the Helm revision to go back to.
	Revision int `json:"revision,omitempty"`
	// Workloads are the application's, by kind and name, and the counts to come
	// back to.
	Workloads map[string]int `json:"workloads,omitempty"`
	// Values is the block of Helm values that the switch sets, as YAML.
	Values string       `json:"values,omitempty"`
	Stores []StoreNames `json:"datastores,omitempty"`
}

// StoreNames are the names of one datastore.
type StoreNames struct {
	Engine mover.Engine  `json:"engine"`
	To     spec.Location `json:"to,omitempty"`
	Epoch  int           `json:"epoch,omitempty"`
	// Inside names the StatefulSet in the release and its Service.
	Inside       string          `json:"inside,omitempty"`
	InsideSecret *spec.SecretKey `json:"insideSecret,omitempty"`
	Volumes      []VolumeName    `json:"volumes,omitempty"`
	Outside      *OutsideNames   `json:"outside,omitempty"`
	// Credentials is the Secret that the switched release reads, Keys those that
	// have to hold the password.
	Credentials string            `json:"credentials,omitempty"`
	Keys        []string          `json:"keys,omitempty"`
	Databases   []string          `json:"databases,omitempty"`
	Owners      map[string]string `json:"owners,omitempty"`
}

// VolumeName is a claim, its volume, and what happens to that with the claim.
type VolumeName struct {
	Claim         string `json:"claim"`
	Name          string `json:"name"`
	ReclaimPolicy string `json:"reclaimPolicy,omitempty"`
}

// OutsideNames say how the external server is reached.
type OutsideNames struct {
	Host       string         `json:"host,omitempty"`
	Port       int            `json:"port,omitempty"`
	Hosts      []string       `json:"hosts,omitempty"`
	Username   string         `json:"username"`
	Password   spec.SecretRef `json:"password"`
	TLSMode    string         `json:"tlsMode,omitempty"`
	CA         spec.SecretRef `json:"ca,omitzero"`
	AuthSource string         `json:"authSource,omitempty"`
	ReplicaSet string         `json:"replicaSet,omitempty"`
}

// InPlan are the names as a plan carries them.
func (n *Names) InPlan() json.RawMessage {
	if n == nil {
		return nil
	}
	return engine.JSON(n)
}

// NamesIn are the names that a plan carries, nil where it has none: one of an older
// version, or a file that somebody edited so that they cannot be read.
func NamesIn(p engine.Plan) *Names {
	var n Names
	if len(p.Names) == 0 || json.Unmarshal(p.Names, &n) != nil {
		return nil
	}
	return &n
}

// Store finds the names of a datastore; those that nobody knew are empty.
func (n Names) Store(e mover.Engine) StoreNames {
	for _, s := range n.Stores {
		if s.Engine == e {
			return s
		}
	}
	return StoreNames{Engine: e}
}

// NamesOf gathers the names, those of the file where nothing was observed. Nil
// for a services machine.
func NamesOf(s *spec.Spec, o Observation) *Names {
	if s.Server == nil {
		return nil
	}
	n := &Names{KubeContext: s.Server.KubeContext, Namespace: s.Server.Namespace, Release: s.Server.Release, Chart: s.Server.Chart, ChartVersion: s.Server.Version}
	var parts []Part
	if o.Release.Is() {
		rel := o.Release.Value
		n.ChartVersion, n.Revision, parts = cmp.Or(n.ChartVersion, rel.ChartVersion), rel.Revision, partsByHand(s, &o)
		if len(parts) > 0 {
			n.Values = valuesText(s, rel, parts)
		}
	}
	if ws := o.Workloads.Value; len(ws) > 0 {
		n.Workloads, _ = server.CountsOf(ws)
	}
	if openMove(o) {
		m := o.Move.Value
		n.Revision = m.Revision
		if len(m.Replicas) > 0 {
			n.Workloads = m.Replicas
		}
	}
	for _, e := range engines {
		if d := server.Declared(s, e); d != nil {
			n.Stores = append(n.Stores, storeNames(o, e, *d, parts))
		}
	}
	return n
}

// partsByHand are the datastores that a plan's steps are about.
func partsByHand(s *spec.Spec, o *Observation) []Part {
	if openMove(*o) {
		return o.Move.Value.Parts
	}
	if parts := partsWanted(s, o); len(parts) > 0 {
		return parts
	}
	return adopted(s, o)
}

func storeNames(o Observation, e mover.Engine, d server.Declaration, parts []Part) StoreNames {
	n := StoreNames{Engine: e, Credentials: kindOf(e).Credentials, Keys: kindOf(e).Keys}
	if x := d.External; x != nil {
		at := x.Endpoint
		n.Outside = &OutsideNames{Host: at.Host, Port: at.Port, Hosts: at.Hosts, Username: at.Username, Password: x.Password,
			TLSMode: at.TLSMode, AuthSource: at.AuthSource, ReplicaSet: at.ReplicaSet}
		if x.CA != nil {
			n.Outside.CA = *x.CA
		}
	}
	if !o.Release.Is() {
		return n
	}
	n.Keys, n.Inside = credentialKeys(o, e), o.Release.Value.Store(e).FullName
	key := internalSecret(&o, e)
	for _, p := range parts {
		if p.Engine == e {
			n.To, n.Epoch, n.Owners, key = p.To, p.Epoch, p.OwnerMap, p.InternalSecret
		}
	}
	if key.Name != "" {
		n.InsideSecret = &key
	}
	for _, v := range o.store(e).Internal.Value.Volumes {
		n.Volumes = append(n.Volumes, VolumeName{v.Claim, v.Name, v.ReclaimPolicy})
	}
	// What is carried, or set aside, is on the side that holds the truth.
	if in := o.store(e).Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		for _, db := range in.Value.Source.Database.Databases {
			n.Databases = append(n.Databases, db.Name)
		}
	}
	return n
}

// ActionKinds are all actions that a plan can have, in the order of their names.
func ActionKinds() []engine.ActionKind { return slices.Sorted(maps.Keys(actionsByKind)) }
