package mover

// ServerSetting is what is set for a whole PostgreSQL server.
type ServerSetting struct {
	// Value is what a session has that asks for nothing, Default what it would
	// have if nobody had set anything.
	Value   string `json:"value"`
	Default string `json:"default"`
	// Hidden tells that the role or the database of our session has a setting
	// of its own, so that the server's could not be seen.
	Hidden bool `json:"hidden,omitempty"`
}
