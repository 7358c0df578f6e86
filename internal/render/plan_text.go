package render

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// PlanText draws a plan for a person: every step with what, why, from and to,
// risk, time and downtime; what stands in the way; what the file covers; and
// at the end command, which the caller has made for this very plan.
func PlanText(w io.Writer, plan engine.Plan, o Options, command string) error {
	p := newPage(o)
	planHead(p, plan)
	blocked := plan.Blocked()
	for i, st := range plan.Steps {
		if len(blocked) > 0 {
			planStepTitle(p, i+1, st)
			continue
		}
		st.Details = unlisted(st.Details, plan)
		planStep(p, o, i+1, st)
	}
	if len(plan.Steps) > 0 {
		p.blank()
	}
	planLeft(p, plan)
	planNotices(p, o, plan)
	coverage(p, plan.Coverage, o.Details)
	switch {
	case len(blocked) > 0:
		p.blank()
		p.para("", "", red, fmt.Sprintf("BLOCKED: %s in the way. Nothing was changed.", standing(len(blocked))))
		findings(p, o, blocked)
	case len(plan.Steps) > 0:
		p.blank()
		for _, f := range plan.NoWayBack() {
			p.para("NO WAY BACK  ", "             ", red, noteOf(o, f))
		}
		planTotal(p, plan)
		p.line("Run      " + p.paint(bold, reconcile.OneLine(command)))
	}
	return p.flush(w)
}

func standing(n int) string {
	if n == 1 {
		return "1 finding stands"
	}
	return fmt.Sprintf("%d findings stand", n)
}

func planHead(p *page, plan engine.Plan) {
	b := plan.Binding
	title := fmt.Sprintf("Plan %s for %s: ", reconcile.OneLine(plan.ID), reconcile.OneLine(plan.Name))
	switch {
	case len(plan.Steps) > 0 && plan.Resumes != "":
		title += fmt.Sprintf("%s left of move %s", count(len(plan.Steps), "step"), reconcile.OneLine(plan.Resumes))
	case len(plan.Steps) > 0:
		title += count(len(plan.Steps), "step")
	case len(plan.Blocked()) > 0:
		title += "blocked"
	default:
		title += "nothing to do."
	}
	p.line(p.paint(bold, title))
	if gist := gistOf(plan); gist != "" {
		p.para("", "", bold, gist)
	}
	if b.Release != "" {
		chart, _, _ := strings.Cut(b.Chart, "@")
		p.line(p.paint(dim, reconcile.OneLine(fmt.Sprintf("release %s revision %d · chart %s · seen %s", b.Release, b.Revision, chart, when(plan.MadeAt)))))
	}
	p.blank()
}

// gistOf says in a line what the plan comes to: what moves where, and what it
// costs.
func gistOf(plan engine.Plan) string {
	parts := slices.Clone(plan.Moves)
	if len(parts) == 0 {
		return ""
	}
	if t := plan.Total; t.DownHigh > 0 {
		parts = append(parts, "the application is stopped for "+reconcile.Span(t.DownLow, t.DownHigh))
	}
	if len(plan.NoWayBack()) > 0 {
		parts = append(parts, "no way back")
	}
	return strings.Join(parts, "; ")
}

// The gutter shows at a glance which steps run while the application is
// stopped.
const (
	gutterUp   = "     "
	gutterDown = "   ┃ "
)

func planStepTitle(p *page, n int, st engine.Step) {
	gutter := "  "
	if st.Estimate.DownHigh > 0 {
		gutter = "┃ "
	}
	title := reconcile.OneLine(st.Title)
	right := pad(string(st.Risk), 11) + "  " + reconcile.Span(st.Estimate.Low, st.Estimate.High)
	const rightWidth = 29
	gap := max(2, p.width-rightWidth-len(gutterUp)-utf8.RuneCountInString(title))
	p.line(fmt.Sprintf("%2d ", n) + p.paint(amber, gutter) + p.paint(bold, title) + strings.Repeat(" ", gap) + p.paint(riskTone(st.Risk), right))
}

func riskTone(r engine.Risk) tone {
	switch r {
	case engine.Destructive:
		return red
	case engine.Outage:
		return amber
	case engine.Safe:
		return dim
	}
	return red
}

func planStep(p *page, o Options, n int, st engine.Step) {
	planStepTitle(p, n, st)
	indent := gutterUp
	if st.Estimate.DownHigh > 0 {
		indent = p.paint(amber, gutterDown)
	}
	inner := &page{width: p.width - len(gutterUp), color: p.color}
	parts := []string{st.Reason}
	if o.Details || st.Risk != engine.Safe && len(st.Changes) > 0 {
		parts = append(parts, o.details(st)...)
	}
	if a := st.Estimate.Assumption; a != "" {
		parts = append(parts, "Time: "+a)
	}
	inner.para("", "", plain, sentences(parts))
	for _, c := range st.Changes {
		planChange(inner, o, c)
	}
	for l := range strings.Lines(inner.b.String()) {
		p.line(indent + strings.TrimSuffix(l, "\n"))
	}
}

// How much of a step's details a plan shows by itself.
const (
	detailsShown = 6
	namesShown   = 8
)

// details are those of a step, the first of them and their beginnings unless all
// are asked for.
func (o Options) details(st engine.Step) []string {
	if o.Details {
		return st.Details
	}
	var out []string
	for _, d := range st.Details[:min(detailsShown, len(st.Details))] {
		out = append(out, shortened(d))
	}
	if more := len(st.Details) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("And %d more: %s", more, showAll))
	}
	return out
}

// shortened cuts a long list of names at the end of a detail. What is no such
// list, like values that somebody has to commit, is never cut.
func shortened(detail string) string {
	head, list, _ := strings.Cut(detail, ": ")
	names := strings.Split(list, ", ")
	if len(names) <= namesShown || strings.ContainsAny(strings.Join(names, ""), " {}") {
		return detail
	}
	return fmt.Sprintf("%s: %s, and %d more (%s)", head, strings.Join(names[:namesShown], ", "), len(names)-namesShown, showAll)
}

// sentences joins a reason and its details to one paragraph.
func sentences(parts []string) string {
	var out []string
	for _, part := range parts {
		part = strings.TrimRight(strings.TrimSpace(part), ".")
		if part == "" {
			continue
		}
		r, size := utf8.DecodeRuneInString(part)
		// A name keeps its letters: only plain words begin in upper case.
		if word, _, _ := strings.Cut(part, " "); !strings.ContainsAny(word, "_./-=:") {
			part = strings.ToUpper(string(r)) + part[size:]
		}
		out = append(out, part+".")
	}
	return strings.Join(out, " ")
}

func planChange(p *page, o Options, c engine.Change) {
	if c.From == c.To {
		return // the JSON has it; a person looks for what changes
	}
	field := reconcile.OneLine(c.Field)
	if at := o.where(c.Field); at != "" {
		field += " (" + at + ")"
	}
	change := fmt.Sprintf("%s → %s", orNothing(reconcile.OneLine(c.From)), orNothing(reconcile.OneLine(c.To)))
	if utf8.RuneCountInString(field)+utf8.RuneCountInString(change)+4 <= p.width {
		p.line("  " + p.paint(dim, field) + "  " + p.paint(green, change))
		return
	}
	p.line("  " + p.paint(dim, field))
	p.para("    ", "    ", green, change)
}

func planNotices(p *page, o Options, plan engine.Plan) {
	some := false
	for _, text := range plan.Notices {
		p.para("Note: ", "      ", plain, text)
		some = true
	}
	for _, f := range plan.Findings {
		if !f.Blocks && f.Left == nil && (f.ID != engine.FindingNoWayBack || len(plan.Blocked()) > 0) { // that one stands above the totals
			p.para("Note: ", "      ", plain, noteOf(o, f))
			some = true
		}
	}
	if some {
		p.blank()
	}
}

func noteOf(o Options, f engine.Finding) string {
	text := o.what(f)
	if f.Fix != "" {
		text += ": " + f.Fix
	}
	if at := o.where(f.Field); at != "" {
		text += " (" + at + ")"
	}
	return text
}

// coverage draws one line per block. In a plan a remark that does not fit is
// left out, in a status it is wrapped.
func coverage(p *page, blocks []engine.Coverage, whole bool) {
	width := 0
	for _, c := range blocks {
		width = max(width, utf8.RuneCountInString(c.Block))
	}
	for _, c := range blocks {
		head, text := pad(reconcile.OneLine(c.Block), width)+"  ", string(c.State)
		long := text + ": " + reconcile.OneLine(c.Note)
		if c.Note != "" && (whole || utf8.RuneCountInString(head+long) <= p.width) {
			text = long
		}
		t := plain
		if c.State != engine.Enforced {
			t = amber
		}
		p.para(head, strings.Repeat(" ", width+2), t, text)
	}
}

func planTotal(p *page, plan engine.Plan) {
	t := plan.Total
	text := reconcile.About(t.Low, t.High) + "; the application stays up"
	if t.DownHigh > 0 {
		text = fmt.Sprintf("%s, of which the application is stopped (┃) for %s", reconcile.About(t.Low, t.High), reconcile.About(t.DownLow, t.DownHigh))
	}
	p.para("In all   ", "         ", bold, text)
	if t.Assumption != "" {
		p.para("Assumes  ", "         ", plain, t.Assumption)
	}
	var words []string
	for _, word := range plan.Dangers() {
		var at []int
		for i, s := range plan.Steps {
			if s.Accept == word || word == reconcile.AcceptOutage && s.Accept == reconcile.AcceptNoWayBack {
				at = append(at, i+1)
			}
		}
		words = append(words, fmt.Sprintf("%s (%s)", word, stepList(at)))
	}
	if len(words) > 0 {
		p.para("Accept   ", "         ", red, strings.Join(words, ", "))
	}
}

// stepList says "step 12" or "steps 4 to 10" or "steps 2, 5".
func stepList(at []int) string {
	switch {
	case len(at) == 1:
		return fmt.Sprintf("step %d", at[0])
	case at[len(at)-1]-at[0] == len(at)-1:
		return fmt.Sprintf("steps %d to %d", at[0], at[len(at)-1])
	}
	var parts []string
	for _, n := range at {
		parts = append(parts, strconv.Itoa(n))
	}
	return "steps " + strings.Join(parts, ", ")
}
