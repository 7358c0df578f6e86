// Package e2e holds the tests of the whole product against a real Kubernetes,
// a real Helm release and real PostgreSQL servers. It has no code of its own
// but tests; they need the build tag testbed and a running testbed
// (make services starts both).
package e2e
