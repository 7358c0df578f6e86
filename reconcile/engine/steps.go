package engine

// Chain makes each step need the ones before it; steps that run side by side
// need the same.
func Chain(steps []Step, beside func(ActionKind) bool) []Step {
	var before []StepID
	for i := 0; i < len(steps); {
		n := GroupSize(steps[i:], beside)
		var group []StepID
		for j := i; j < i+n; j++ {
			steps[j].Needs = before
			group = append(group, steps[j].ID)
		}
		before, i = group, i+n
	}
	return steps
}

// NewStep is a harmless step that does what kind says to an object.
func NewStep(kind ActionKind, object, title string) Step {
	return Step{ID: StepID(string(kind) + "/" + object), Action: kind, Title: title, Risk: Safe}
}

// Down marks the whole of an estimate as downtime.
func (e Estimate) Down() Estimate {
	e.DownLow, e.DownHigh = e.Low, e.High
	return e
}
