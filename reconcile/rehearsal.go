package reconcile

import "time"

// Rehearsal is the result of OpRehearse: what a copy of the schema would meet
// on the target. Without differences it met nothing.
type Rehearsal struct {
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration"`
	// Schema is the fingerprint of the source's schema that was rehearsed.
	Schema string `json:"schema"`
	// Compared counts what was made and compared, by kind.
	Compared    map[string]int `json:"compared"`
	Differences []Difference   `json:"differences,omitempty"`
	// Left is what a rehearsal cannot try.
	Left []string `json:"left,omitempty"`
	// Tries is how often it began: it lets go when somebody waits on it.
	Tries int `json:"tries"`
}
