package engine

import (
	"fmt"
	"strings"
	"time"
)

// Ailment is a pod that is not ready, and what can be said about it.
type Ailment struct {
	Workload string `json:"workload"`
	// Pod and Container are empty where there is none.
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	// Condition is how it is, in Kubernetes' words, and Reason the one word of
	// them that stays while it is so (CrashLoopBackOff …).
	Condition string `json:"condition"`
	Reason    string `json:"reason,omitempty"`
	Restarts  int    `json:"restarts,omitempty"`
	// Hopeful means that nothing is wrong with it but the time it takes.
	Hopeful bool `json:"hopeful,omitempty"`
	// Log are the last lines that the container wrote; NoLog says why there are
	// none, empty where it wrote nothing.
	Log   []string `json:"log,omitempty"`
	NoLog string   `json:"noLog,omitempty"`
}

// String says all but the log.
func (a Ailment) String() string {
	var where []string
	for _, part := range []struct{ what, name string }{{"pod ", a.Pod}, {"container ", a.Container}} {
		if part.name != "" {
			where = append(where, part.what+part.name)
		}
	}
	text := a.Workload + ": "
	if len(where) > 0 {
		text += strings.Join(where, ", ") + ": "
	}
	text += a.Condition
	if a.Restarts > 0 {
		text += fmt.Sprintf(", %d restarts", a.Restarts)
	}
	return text
}

// Brief is the ailment with its last line.
func (a Ailment) Brief() string {
	if len(a.Log) == 0 {
		return a.String()
	}
	return a.String() + "; its last words: " + a.Log[len(a.Log)-1]
}

// Service is whether the application takes work, as an apply has just made it
// or found it.
type Service struct {
	// Up tells that it does; else it is stopped since Since.
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
	// Stopped is how long it was, once it is up.
	Stopped time.Duration `json:"stopped,omitempty"`
	// DownLow and DownHigh are the downtime that the plan announced which began
	// the move.
	DownLow  time.Duration `json:"downLow,omitempty"`
	DownHigh time.Duration `json:"downHigh,omitempty"`
}
