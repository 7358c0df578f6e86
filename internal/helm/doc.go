// Package helm reads and changes one Helm release through the Helm SDK: what
// its record says, which chart it came from, what an upgrade would do to every
// object, the upgrade itself, and the way back.
//
// It knows Helm's records, charts and rendering, and Kubernetes objects only
// as manifests. It does not know why a release is changed, it waits for no
// workload, and it decides nothing: the engine in reconcile does.
//
// What it says about Helm's behaviour in comments was seen with Helm 3.22
// against Kubernetes 1.34.
package helm
