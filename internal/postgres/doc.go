// Package postgres inspects, fences, copies and proves one PostgreSQL server
// against another. It knows PostgreSQL's catalogs, its wire protocol and
// pg_dump's archive format. It must not know Kubernetes, Helm, flags or the
// rest of the plan: it is told what to do by a reconcile.MoverRequest and
// answers with the result types of package reconcile.
//
// Nothing a copy reads is stored on a disk: table rows go from one socket to
// the other in pieces of bounded size, the schema passes through memory.
package postgres
