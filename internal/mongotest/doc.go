// Package mongotest starts throw-away MongoDB servers of several releases for
// tests and benchmarks. It knows how to have the testbed fetch the binaries;
// it must not know anything of the product.
//
// A server listens on a free loopback port, keeps everything in a temporary
// directory, asks everybody for a password, and is gone when the test ends.
package mongotest
