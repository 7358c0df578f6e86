package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The page of exit codes says what the rows say, code by code and command by
// command, and every command says its own in its help.
func TestExitCodesArePagedAsTheyAre(t *testing.T) {
	raw, err := os.ReadFile("../../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	var codes []int
	for _, row := range exitRows {
		codes = append(codes, row.code)
		if line := strings.TrimRight(fmt.Sprintf("| %d | %s | %s", row.code, row.meaning, row.then), " ") + " |\n"; !strings.Contains(page, line) {
			t.Errorf("docs/exit-codes.md lacks the line\n%s", line)
		}
		if row.verdict == "" || row.brief == "" {
			t.Errorf("code %d has no word for scripts, or none for help", row.code)
		}
	}
	if !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
		t.Errorf("the codes are %v, want each once and in order", codes)
	}
	if got := strings.Count(page, "\n| ") - strings.Count(page, "\n| `") - 2; got != len(exitRows) {
		t.Errorf("docs/exit-codes.md has %d codes, there are %d", got, len(exitRows))
	}
	named := map[string]bool{}
	for _, c := range (&program{}).app().Commands {
		if c.Name == "help" || c.Hidden {
			continue
		}
		named[c.Name] = true
		checkCommandEnds(t, page, c)
	}
	for name := range commandEnds {
		if !named[name] {
			t.Errorf("there is no command %s", name)
		}
	}
}

func checkCommandEnds(t *testing.T, page string, c *cli.Command) {
	t.Helper()
	said := commandEnds[c.Name]
	if len(said) == 0 {
		t.Errorf("%s has no exit codes", c.Name)
	}
	if line := fmt.Sprintf("| `%s` | %s", c.Name, strings.Trim(fmt.Sprint(said.sorted()), "[]")); !strings.Contains(page, line+" |") && !strings.Contains(page, line+";") {
		t.Errorf("docs/exit-codes.md lacks the line\n%s |", line)
	}
	if slices.Contains([]string{"schema", "version", "completion"}, c.Name) {
		return // what ends like any program says nothing of it
	}
	if !strings.Contains(c.Description, exitsOf(c.Name)) {
		t.Errorf("the help of %s does not say %q", c.Name, exitsOf(c.Name))
	}
}

// An error can be of two kinds: what is sure counts, for the code and the hint.
func TestASureKindOfErrorCounts(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	held := &unreachable{&kube.HeldError{}}
	for _, row := range []struct {
		ctx  context.Context
		err  error
		want int
		hint string
	}{
		{t.Context(), held, codeHeld, "wait for it"},
		{interrupted, held, codeHeld, "wait for it"},
		{t.Context(), &unreachable{errors.New("no route")}, codeUnreadable, "nothing was changed; repair"},
		{interrupted, &unreachable{errors.New("no route")}, codeInterrupted, "nothing was changed; repair"},
		{t.Context(), errors.Join(&unreachable{errors.New("no route")}, &usageError{"no such flag"}), codeUsage, "circleci-dr help"},
		{t.Context(), &spec.Problems{}, codeFailed, ""},
		{t.Context(), &engine.BlockedError{}, codeBlocked, ""},
		{t.Context(), &engine.StaleError{}, codeStale, "make a new plan"},
		{t.Context(), errors.New("broke"), codeFailed, ""},
		{t.Context(), nil, codeFine, ""},
	} {
		if got := codeOf(row.ctx, row.err); got != row.want {
			t.Errorf("%T %v: exit %d, want %d", row.err, row.err, got, row.want)
		}
		if row.err != nil && (!strings.HasPrefix(nextStep(row.err), row.hint) || row.hint == "" && nextStep(row.err) != "") {
			t.Errorf("%T %v: hint %q, want %q", row.err, row.err, nextStep(row.err), row.hint)
		}
	}
}
