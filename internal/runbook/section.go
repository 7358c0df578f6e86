package runbook

// Part is a sentence or two, and the commands that go with them. Either may be
// empty.
type Part struct {
	Text  string `json:"text,omitempty"`
	Shell string `json:"shell,omitempty"`
}

// Section is a step by hand.
type Section struct {
	// Before are the commands that give the others their names and passwords.
	Before []Part
	// Already tells whether it is so already, Do makes it so, Done shows that it
	// is, and Undo leads back, or says that nothing does.
	Already, Do, Done, Undo []Part
}

func say(text string) Part        { return Part{Text: text} }
func run(text, shell string) Part { return Part{Text: text, Shell: shell} }
func parts(all ...Part) []Part    { return all }
func join(lists ...[]Part) []Part {
	var out []Part
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}
