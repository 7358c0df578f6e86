package provision

import "cmp"

// The parts of Kubernetes objects that the provisioner reads and writes.

type metadata struct {
	Name              string            `json:"name,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	DeletionTimestamp string            `json:"deletionTimestamp,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
}

type claim struct {
	Metadata metadata
	Spec     struct {
		AccessModes      []string
		VolumeName       string
		VolumeMode       string
		StorageClassName string
		Resources        struct{ Requests map[string]string }
	}
	Status struct{ Phase string }
}

type class struct {
	Metadata      metadata
	Provisioner   string
	ReclaimPolicy string
}

type phase struct {
	Phase string `json:"phase,omitempty"`
}

type volume struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   metadata   `json:"metadata"`
	Spec       volumeSpec `json:"spec"`
	Status     phase      `json:"status"`
}

type volumeSpec struct {
	Capacity         map[string]string `json:"capacity"`
	AccessModes      []string          `json:"accessModes"`
	VolumeMode       string            `json:"volumeMode,omitempty"`
	StorageClassName string            `json:"storageClassName"`
	ReclaimPolicy    string            `json:"persistentVolumeReclaimPolicy"`
	ClaimRef         reference         `json:"claimRef"`
	Local            local             `json:"local"`
	NodeAffinity     any               `json:"nodeAffinity,omitempty"`
}

type reference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

type local struct {
	Path string `json:"path"`
}

// newVolume is the volume for a claim, already bound to it.
func newVolume(c claim, cl class, dir, node string) volume {
	m := c.Metadata
	return volume{
		APIVersion: "v1", Kind: "PersistentVolume",
		Metadata: metadata{Name: volumeName(c), Annotations: map[string]string{annotation: Name}},
		Spec: volumeSpec{
			Capacity:         c.Spec.Resources.Requests,
			AccessModes:      c.Spec.AccessModes,
			VolumeMode:       c.Spec.VolumeMode,
			StorageClassName: c.Spec.StorageClassName,
			ReclaimPolicy:    cmp.Or(cl.ReclaimPolicy, "Delete"),
			ClaimRef:         reference{"v1", "PersistentVolumeClaim", m.Namespace, m.Name, m.UID},
			Local:            local{Path: dir},
			NodeAffinity: map[string]any{"required": map[string]any{"nodeSelectorTerms": []any{map[string]any{
				"matchExpressions": []any{map[string]any{
					"key": "kubernetes.io/hostname", "operator": "In", "values": []string{node},
				}},
			}}}},
		},
	}
}
