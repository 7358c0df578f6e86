// Package mover is what a mover pod is asked and what it answers: operations on
// the two sides of a datastore, the request, the lines of its log, its results and
// its errors. Whoever moves bytes imports this package and nothing else of
// reconcile.
//
// It knows no spec, no cluster, no plan and no release, and must not.
package mover
