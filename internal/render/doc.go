// Package render draws what the engine says: a plan, a status, a drift, a
// report, a proof, the problems of a file and the progress of an apply, as
// text for people or as versioned JSON for programs. Both are drawn from the
// same value, so that they cannot disagree.
//
// It knows the types of spec and reconcile and nothing else. It decides
// nothing, reads no clock, no environment and no terminal: whether there may
// be colour and how wide a line is, the caller says.
package render
