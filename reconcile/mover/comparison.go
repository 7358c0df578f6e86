package mover

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// maxDifferences is how many differences a proof names; it counts on.
	maxDifferences = 200
	// maxShown is how much of a value a difference shows, in runes.
	maxShown = 300
)

// Comparison is a proof in the making. Differ and Compared are safe for use by
// several goroutines.
type Comparison struct {
	Proof Proof

	mu   sync.Mutex
	more int
}

// Differ names one difference. Values are made fit to be read.
func (c *Comparison) Differ(database, kind, object, what, source, target string) {
	c.Name(Difference{Database: database, Kind: kind, Object: object, What: what, Source: shown(source), Target: shown(target)})
}

// Name adds a difference as it is.
func (c *Comparison) Name(d Difference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.Proof.Differences) >= maxDifferences {
		c.more++
		return
	}
	c.Proof.Differences = append(c.Proof.Differences, d)
}

// Named counts the differences that there are so far.
func (c *Comparison) Named() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.Proof.Differences) + c.more
}

// Compared counts objects of a kind that were compared.
func (c *Comparison) Compared(kind string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Proof.Compared == nil {
		c.Proof.Compared = map[string]int{}
	}
	c.Proof.Compared[kind] += n
}

// Finish gives the proof, with the number of differences that it does not name.
func (c *Comparison) Finish(took time.Duration) Proof {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more > 0 {
		c.Proof.Differences = append(c.Proof.Differences, Difference{Kind: "differences", What: fmt.Sprintf("%d more are not listed", c.more)})
	}
	c.Proof.Duration = took
	return c.Proof
}

// shown makes a value fit to be read: short and on one line.
func shown(value string) string {
	value = strings.Join(strings.Fields(value), " ")
	if r := []rune(value); len(r) > maxShown {
		value = string(r[:maxShown]) + "…"
	}
	return value
}

// String says one difference in one line.
func (d Difference) String() string {
	out := fmt.Sprintf("%s %s in database %s: %s", d.Kind, d.Object, d.Database, d.What)
	if d.Database == "" {
		out = fmt.Sprintf("%s %s: %s", d.Kind, d.Object, d.What)
	}
	if d.Source != "" || d.Target != "" {
		out += fmt.Sprintf(" (source %s, target %s)", cmp.Or(d.Source, "none"), cmp.Or(d.Target, "none"))
	}
	return out
}
