package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
)

// State is what a boot records of itself.
type State struct {
	Checkout string    `json:"checkout"`
	Boot     string    `json:"boot"` // of the machine
	Store    string    `json:"store"`
	Started  time.Time `json:"started"`
}

// Condition is what is found of an earlier boot.
type Condition int

// The conditions a testbed can be found in.
const (
	None  Condition = iota
	Live            // at least one part runs
	Stale           // something is left of one, and no part runs
)

// Find looks for a testbed on this machine, whoever started it.
func Find() (State, Condition, error) {
	if _, err := os.Stat(RunDir); errors.Is(err, fs.ErrNotExist) {
		return State{}, None, nil
	} else if err != nil {
		return State{}, None, fmt.Errorf("look for a testbed: %w", err)
	}
	var s State
	data, err := os.ReadFile(path("testbed.json"))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil || s.Boot != proc.BootID() {
		// Killed before it could say what it is, or from before a restart of
		// the machine.
		return s, Stale, nil
	}
	if !plan().Exists() {
		return s, Stale, nil // pods do not get their network back
	}
	for _, name := range Parts().Names() {
		if _, state := Parts().Find(name); state == proc.Running {
			return s, Live, nil
		}
	}
	return s, Stale, nil
}

func writeState(s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("record the testbed: %w", err)
	}
	return writeFile(path("testbed.json"), append(data, '\n'), 0o644)
}
