package engine

// Left is what a move leaves behind or changes: somebody has to go through it
// object by object, so a plan shows it as a list.
type Left struct {
	// What says what the objects have in common.
	What    string   `json:"what"`
	Objects []string `json:"objects"`
}

// Leaves gives the findings about what the move leaves behind.
func (p Plan) Leaves() []Finding {
	var out []Finding
	for _, f := range p.Findings {
		if f.Left != nil {
			out = append(out, f)
		}
	}
	return out
}
