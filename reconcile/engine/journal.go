package engine

import "time"

// Journal is what was begun and what became of it. It tells people what was
// cut off; the look decides what is done next.
type Journal struct {
	Entries []JournalEntry `json:"entries"`
}

// JournalEntry is one step of one run.
type JournalEntry struct {
	Step  StepID    `json:"step"`
	Title string    `json:"title"`
	Plan  string    `json:"plan"`
	By    string    `json:"by"`
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
	// Outcome is "settled" or "failed"; empty while begun, or cut.
	Outcome string `json:"outcome,omitempty"`
	Error   string `json:"error,omitempty"`
}

// journalLimit bounds the journal, so that its object never outgrows what
// Kubernetes stores.
const journalLimit = 200

// Cut gives the entries that were begun and never ended.
func (j Journal) Cut() []JournalEntry {
	var out []JournalEntry
	for _, e := range j.Entries {
		if e.Ended.IsZero() {
			out = append(out, e)
		}
	}
	return out
}

func (j *Journal) begin(e JournalEntry) {
	j.Entries = append(j.Entries, e)
	if extra := len(j.Entries) - journalLimit; extra > 0 {
		j.Entries = append([]JournalEntry(nil), j.Entries[extra:]...)
	}
}

func (j *Journal) end(step StepID, at time.Time, err error) {
	for i := len(j.Entries) - 1; i >= 0; i-- {
		if e := &j.Entries[i]; e.Step == step && e.Ended.IsZero() {
			e.Ended, e.Outcome = at, "settled"
			if err != nil {
				e.Outcome, e.Error = "failed", err.Error()
			}
			return
		}
	}
}

// cutSteps are the steps that were begun and never ended, with when the last such
// run began them.
func (j Journal) cutSteps() map[StepID]time.Time {
	out := map[StepID]time.Time{}
	for _, e := range j.Cut() {
		if e.Begun.After(out[e.Step]) {
			out[e.Step] = e.Begun
		}
	}
	return out
}
