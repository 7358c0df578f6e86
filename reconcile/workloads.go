package reconcile

// Workload is one Deployment or StatefulSet with layer=application.
type Workload struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	// Pods are pods that exist, terminating ones included.
	Pods int `json:"pods"`
	// Recorded is the count our annotation remembers, nil without one.
	Recorded   *int   `json:"recorded,omitempty"`
	Autoscaler string `json:"autoscaler,omitempty"`
	// Hosts are the database hosts its pod template names for each engine,
	// directly or through a ConfigMap.
	Hosts map[Engine][]string `json:"hosts,omitempty"`
	// Trouble says why pods do not become ready (ImagePullBackOff …).
	Trouble string `json:"trouble,omitempty"`
}

// Key names a workload inside its namespace.
func (w Workload) Key() string { return w.Kind + "/" + w.Name }
