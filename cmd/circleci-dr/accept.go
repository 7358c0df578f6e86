package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// quote makes a word safe to paste into a shell.
func quote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func acceptWords(prefix string, plan engine.Plan) string {
	if dangers := plan.Dangers(); len(dangers) > 0 {
		return " --accept " + prefix + strings.Join(dangers, ",")
	}
	return ""
}

// accepted tells whether the words given with --accept cover every danger of
// the plan. Without a plan file, which is nil then, they name the plan, so that
// a pipeline cannot consent today to the surprise of tomorrow. With one they may
// name what it shows: the same command goes on after a crash, with less to do.
func accepted(plan engine.Plan, given string, file *engine.Plan) error {
	dangers := plan.Dangers()
	if len(dangers) == 0 {
		return nil
	}
	words, known := given, dangers
	if file != nil {
		known = append(slices.Clone(dangers), file.Dangers()...)
	} else {
		id, rest, named := strings.Cut(given, ":")
		if !named {
			return &hint{usagef("--accept must name the plan: %s", strings.TrimSpace(acceptWords(plan.ID+":", plan))), "read the plan first; its id is " + plan.ID}
		}
		if id != plan.ID {
			return &hint{&engine.StaleError{Changes: []engine.Change{{Field: "plan", From: id, To: plan.ID}}}, "read the new plan, then accept it by its id"}
		}
		words = rest
	}
	list := strings.Split(words, ",")
	for _, w := range list {
		if w != "" && !slices.Contains(known, w) {
			return usagef("--accept names %q, which is no danger of this plan (they are: %s)", w, strings.Join(dangers, ", "))
		}
	}
	for _, d := range asked(plan, file) {
		if !slices.Contains(list, d) {
			return &hint{usagef("the plan has the danger %q, which --accept does not name", d), "accept all of it with" + acceptWords(prefixFor(plan, file != nil), plan)}
		}
	}
	return nil
}

// asked are the dangers that have to be named. A move that goes on asks for no
// step what it was not accepted with: the application is stopped, and nobody may
// be there to say another word.
func asked(plan engine.Plan, file *engine.Plan) []string {
	if file == nil || plan.Resumes == "" {
		return plan.Dangers()
	}
	shown := map[engine.StepID]string{}
	for _, st := range file.Steps {
		shown[st.ID] = st.Accept
	}
	now := engine.Plan{}
	for _, st := range plan.Steps {
		if word, ok := shown[st.ID]; ok {
			st.Accept = word
		}
		now.Steps = append(now.Steps, st)
	}
	return now.Dangers()
}

func prefixFor(plan engine.Plan, withFile bool) string {
	if withFile {
		return ""
	}
	return plan.ID + ":"
}

// ask asks a person at a terminal. Anything but the plan's own words is no.
func ask(in io.Reader, out io.Writer, plan engine.Plan) error {
	want := strings.Join(plan.Dangers(), ",")
	if want == "" {
		want = "yes"
	}
	fmt.Fprintf(out, "\nTo apply plan %s, type %s: ", plan.ID, want)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && line == "" {
		return usagef("no answer, so nothing was done")
	}
	if strings.TrimSpace(line) != want {
		return usagef("the answer was not %q, so nothing was done", want)
	}
	return nil
}
