// Package kube is everything circleci-dr does in Kubernetes itself: the
// application's workloads, a datastore's own objects, Secrets, mover Jobs, engines,
// records, access reviews and the lease.
//
// It knows client-go and turns what it reads into the detached values of
// package reconcile; no Kubernetes type leaves it but the connection's
// rest.Config. It decides nothing: when something is done, and in which
// order, is the engine's business. It must not know Helm, PostgreSQL or any
// other adapter, and it never prints.
package kube
