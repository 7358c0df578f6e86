package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
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
