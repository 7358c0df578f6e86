// Package mongo inspects, fences, copies and proves one MongoDB against
// another. It knows MongoDB's commands and MongoDB's own tools, which it runs
// as Go packages. It must not know Kubernetes, Helm, flags or the rest of the
// plan: it is told what to do by a reconcile.MoverRequest and answers with the
// result types of package reconcile.
//
// Nothing a copy reads is stored on a disk: what mongodump writes, mongorestore
// reads, through a pipe in memory, collection by collection.
package mongo
