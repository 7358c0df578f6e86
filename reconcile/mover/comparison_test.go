package mover

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A proof names the first differences, counts the others, and shows no value
// longer than a person reads.
func TestComparisonNamesTheFirstDifferencesAndCountsTheOthers(t *testing.T) {
	var c Comparison
	for i := range maxDifferences + 3 {
		c.Differ("main", "row", fmt.Sprint(i), "differs", "a\n\t b", strings.Repeat("é", maxShown+1))
	}
	c.Compared("rows", 2)
	c.Compared("rows", 3)
	proof := c.Finish(time.Second)
	if n := len(proof.Differences); n != maxDifferences+1 {
		t.Fatalf("%d differences are listed", n)
	}
	if d := proof.Differences[0]; d.Object != "0" || d.Source != "a b" || d.Target != strings.Repeat("é", maxShown)+"…" {
		t.Errorf("the first is %+v", d)
	}
	if d := proof.Differences[maxDifferences]; d.Kind != "differences" || d.What != "3 more are not listed" {
		t.Errorf("the last is %+v", d)
	}
	if proof.Compared["rows"] != 5 || proof.Duration != time.Second {
		t.Errorf("compared %v in %s", proof.Compared, proof.Duration)
	}
}
