package engine

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Stale compares the binding facts of a plan with those of now and names the
// ones that moved.
func Stale(was, now Binding) []Change {
	var out []Change
	add := func(field, from, to string) {
		if from != to {
			out = append(out, Change{Field: field, From: from, To: to})
		}
	}
	add("spec", was.SpecDigest, now.SpecDigest)
	add("cluster", was.ClusterUID, now.ClusterUID)
	add("release", was.Release, now.Release)
	add("release revision", strconv.Itoa(was.Revision), strconv.Itoa(now.Revision))
	add("chart", was.Chart, now.Chart)
	add("source database", was.Source, now.Source)
	add("target database", was.Target, now.Target)
	add("lineage epoch", strconv.Itoa(was.Epoch), strconv.Itoa(now.Epoch))
	add("password reference", was.Secret, now.Secret)
	add("circleci-dr", was.Tool, now.Tool)
	return out
}

// StaleError means that a plan no longer fits what is there.
type StaleError struct{ Changes []Change }

// Error names every binding fact that moved.
func (e *StaleError) Error() string {
	var parts []string
	for _, c := range e.Changes {
		parts = append(parts, fmt.Sprintf("%s was %s and is %s", c.Field, cmp.Or(c.From, "none"), cmp.Or(c.To, "none")))
	}
	return "the plan is stale: " + strings.Join(parts, "; ")
}
