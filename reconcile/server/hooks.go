package server

import (
	"slices"
	"strings"
)

// Hook is a hook of the chart that runs while the application is at zero.
type Hook struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Events are those of upgrades and rollbacks, such as post-upgrade.
	Events []string `json:"events"`
	// Calls are objects of the application that its commands speak to.
	Calls []string `json:"calls,omitempty"`
}

// String names it with its events.
func (h Hook) String() string {
	return h.Kind + "/" + h.Name + " (" + strings.Join(h.Events, ", ") + ")"
}

// OfUpgrade tells whether it runs with an upgrade.
func (h Hook) OfUpgrade() bool {
	return slices.Contains(h.Events, "pre-upgrade") || slices.Contains(h.Events, "post-upgrade")
}

// RecordSize is what a release record takes of the Secret that Helm keeps it in.
type RecordSize struct {
	Bytes int64 `json:"bytes"`
	Limit int64 `json:"limit"`
	// Large is what most of it is, with sizes.
	Large []string `json:"large,omitempty"`
}
