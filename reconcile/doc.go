// Package reconcile decides what is missing and does only that: observation
// → plan → steps → engine.
//
// It knows the spec and plain Go values. It never sees an SDK, a flag, a
// file, an environment variable or a clock; adapters under internal/ give it
// what it asks for through the small interfaces declared here.
package reconcile
