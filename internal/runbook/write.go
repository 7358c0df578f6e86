package runbook

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// kinds are the four questions of a section, in order.
func (s Section) kinds() []Chapter {
	return []Chapter{{"Is it so already?", s.Already}, {"Do it", s.Do}, {"Is it done?", s.Done}, {"Undo it", s.Undo}}
}

// WriteStep writes one step for a terminal: text as comments, so that all of it
// may be pasted into a shell, or read by one.
func WriteStep(w io.Writer, p engine.Plan, st engine.Step) error {
	s, err := StepByHand(p, st)
	if err != nil {
		return err
	}
	var b strings.Builder
	comment(&b, fmt.Sprintf("Step %s of plan %s, by hand: %s", st.ID, p.ID, st.Title))
	comment(&b, "Why: "+st.Reason)
	comment(&b, "It takes "+reconcile.About(st.Estimate.Low, st.Estimate.High)+".")
	chaptersAsScript(&b, s.chapters())
	_, err = io.WriteString(w, b.String())
	return err
}

// chapters are the questions of a section that is told alone, with what they need.
func (s Section) chapters() []Chapter {
	if len(s.Before) > 0 {
		return append([]Chapter{{"Before", s.Before}}, s.kinds()...)
	}
	return s.kinds()
}

func chaptersAsScript(b *strings.Builder, all []Chapter) {
	for _, c := range all {
		b.WriteString("\n# == " + strings.TrimSpace(c.Title) + "\n")
		for _, p := range c.Parts {
			p.script(b)
		}
	}
}

// ByHand is a step by hand, or all of the way back, as JSON has it.
type ByHand struct {
	Plan     string    `json:"plan,omitempty"`
	Step     string    `json:"step,omitempty"`
	Title    string    `json:"title,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Chapters []Chapter `json:"chapters"`
}

// StepJSON writes what WriteStep writes, for a program.
func StepJSON(w io.Writer, p engine.Plan, st engine.Step) error {
	s, err := StepByHand(p, st)
	if err != nil {
		return err
	}
	return encode(w, ByHand{Plan: p.ID, Step: string(st.ID), Title: st.Title, Reason: st.Reason, Chapters: s.chapters()})
}

// BreakGlassJSON writes what WriteBreakGlass writes, for a program.
func BreakGlassJSON(w io.Writer, n reconcile.Names) error {
	chapters := BreakGlass(n)
	for i := range chapters {
		chapters[i].Title = strings.TrimSpace(chapters[i].Title)
	}
	return encode(w, ByHand{Chapters: chapters})
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// WriteBreakGlass writes the way back by hand for a terminal.
func WriteBreakGlass(w io.Writer, n reconcile.Names) error {
	var b strings.Builder
	comment(&b, "By hand what circleci-dr does when it brings the application back. Read each part before you run it; docs/break-glass.md says more.")
	chaptersAsScript(&b, BreakGlass(n))
	_, err := io.WriteString(w, b.String())
	return err
}

func (p Part) script(b *strings.Builder) {
	if p.Text != "" {
		for line := range strings.Lines(p.Text) {
			comment(b, strings.TrimSuffix(line, "\n"))
		}
	}
	if p.Shell != "" {
		b.WriteString(p.Shell + "\n")
	}
}

// lineWidth is where comments are broken.
const lineWidth = 100

func comment(b *strings.Builder, text string) {
	line := "#"
	for word := range strings.FieldsSeq(reconcile.OneLine(text)) {
		if len(line)+1+len(word) > lineWidth && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// Markdown writes all of a plan's steps in its order.
func Markdown(w io.Writer, p engine.Plan) error {
	t := newTeller(p)
	sections := make([]Section, len(p.Steps))
	for i, st := range p.Steps {
		var err error
		if sections[i], err = t.step(st); err != nil {
			return err
		}
	}
	var b strings.Builder
	head(&b, p)
	if setup := t.setup(); len(setup) > 0 {
		b.WriteString("\n## Before the first step\n")
		for _, part := range setup {
			part.markdown(&b)
		}
	}
	for i, st := range p.Steps {
		stepHead(&b, i+1, st)
		for _, c := range sections[i].kinds() {
			b.WriteString("\n**" + c.Title + "**\n")
			for _, part := range c.Parts {
				part.markdown(&b)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func head(b *strings.Builder, p engine.Plan) {
	fmt.Fprintf(b, "# Plan %s of %s, by hand\n", prose(p.ID), prose(p.Name))
	for _, m := range p.Moves {
		b.WriteString("\n" + prose(m) + "\n")
	}
	fmt.Fprintf(b, "\nRelease %s revision %d, chart %s, seen %s. ", prose(p.Binding.Release), p.Binding.Revision, prose(p.Binding.Chart), p.MadeAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	b.WriteString("These are the commands for what `circleci-dr apply` does with this plan. It also looks before and after each step, survives being killed, and goes back by itself.\n")
	if blocked := p.Blocked(); len(blocked) > 0 {
		b.WriteString("\n**Blocked.** This stands in the way; by hand as well:\n\n")
		for _, f := range blocked {
			b.WriteString("- " + prose(f.ID+": "+f.What+": "+f.Fix) + "\n")
		}
	}
	if len(p.Steps) == 0 {
		b.WriteString("\nThere is nothing to do.\n")
		return
	}
	b.WriteString("\nIn all " + reconcile.About(p.Total.Low, p.Total.High))
	if p.Total.DownHigh > 0 {
		b.WriteString(", of which the application is stopped for " + reconcile.About(p.Total.DownLow, p.Total.DownHigh))
	}
	b.WriteString(".\n")
	for _, f := range p.NoWayBack() {
		b.WriteString("\n**No way back:** " + prose(f.What+": "+f.Fix) + "\n")
	}
	b.WriteString("\n| | step | time | stopped | can cost |\n|---|---|---|---|---|\n")
	for i, st := range p.Steps {
		down := ""
		if st.Estimate.DownHigh > 0 {
			down = reconcile.Span(st.Estimate.DownLow, st.Estimate.DownHigh)
		}
		fmt.Fprintf(b, "| %d | %s | %s | %s | %s |\n", i+1, prose(st.Title), reconcile.About(st.Estimate.Low, st.Estimate.High), down, prose(cost(st)))
	}
	b.WriteString("\nRun them in bash, one part after the other, in a directory of your own. Stop where something does not look as it is said, and undo from there upwards.\n")
}

func stepHead(b *strings.Builder, n int, st engine.Step) {
	fmt.Fprintf(b, "\n## %d. %s\n\n`%s` · %s · %s\n\n%s.\n", n, prose(st.Title), strings.ReplaceAll(reconcile.OneLine(string(st.ID)), "`", "'"), prose(string(st.Risk)), reconcile.About(st.Estimate.Low, st.Estimate.High), prose(upper(st.Reason)))
	switch {
	case slices.Contains(closing, st.Accept):
		b.WriteString("\n**No way leads back from here** (`" + st.Accept + "`).\n")
	case st.Risk == engine.Destructive:
		b.WriteString("\n**Destructive** (`" + strings.ReplaceAll(reconcile.OneLine(st.Accept), "`", "'") + "`): read how to undo it first.\n")
	}
	for _, c := range st.Changes {
		if c.From != c.To {
			fmt.Fprintf(b, "\n- %s: %s → %s", prose(c.Field), prose(c.From), prose(c.To))
		}
	}
	if len(st.Changes) > 0 {
		b.WriteString("\n")
	}
}

// closing are the words for what cannot be undone.
var closing = []string{reconcile.AcceptNoWayBack, reconcile.AcceptReplaceInternal, reconcile.AcceptReplaceExternal}

func (p Part) markdown(b *strings.Builder) {
	if p.Text != "" {
		b.WriteString("\n" + p.Text + "\n")
	}
	if p.Shell != "" {
		fence := "```"
		for strings.Contains(p.Shell, fence) { // what is in a block must not end it
			fence += "`"
		}
		b.WriteString("\n" + fence + "bash\n" + p.Shell + "\n" + fence + "\n")
	}
}

// prose is text from outside as Markdown that means nothing but itself.
func prose(text string) string {
	return strings.NewReplacer("`", "'", "<", "&lt;", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "#", `\#`, "|", `\|`).Replace(reconcile.OneLine(text))
}

// cost is a step's risk and the word that accepts it, once where both are one.
func cost(st engine.Step) string {
	if st.Accept == "" || st.Accept == string(st.Risk) {
		return string(st.Risk)
	}
	return string(st.Risk) + ", " + st.Accept
}

// upper begins a sentence; a name keeps its letters.
func upper(text string) string {
	text = strings.TrimRight(text, ".")
	if first, _, _ := strings.Cut(text, " "); text == "" || strings.ContainsAny(first, "_./-=:") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
