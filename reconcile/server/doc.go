// Package server is what there is to know of an installation of CircleCI Server
// 4.x: its release, what an upgrade would change, its workloads and what they are
// told, its datastores' own objects, and the ports through which all of that is
// read and changed. Adapters implement the ports and speak these types.
//
// It plans nothing and judges nothing: which facts are wanted, and what follows
// from them, is for whoever plans.
package server
