// Package server is what there is to know of an installation of CircleCI Server
// 4.x: its release, what an upgrade would change, its workloads and what they are
// told, its datastores' own objects, and the ports through which all of that is
// read and changed. Adapters implement the ports and speak these types. It is also
// what the file declares of a datastore, and what the vendor documents: which Helm
// values say where one lives, what releases support, which keys Secrets have.
//
// It plans nothing and judges no installation: which facts are wanted, and what
// follows from them, is for whoever plans. A kind of datastore has one file here,
// with what is so whatever is done with it.
package server
