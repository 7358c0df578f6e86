// Package engine carries a plan through: steps that look, act and look again, in
// order or side by side, within a deadline and under a lease, with a journal that
// says what was cut off and measurements for the next plan. It also has the words
// in which a run inside the cluster tells of itself.
//
// It knows no kind of work: a Flow brings the actions. It knows no spec, no
// datastore, no release and no cluster, and must not.
package engine
