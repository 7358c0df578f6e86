package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notYet are the traps nothing stands against so far. Whoever adds a check
// takes it off this list and off the page; nobody adds one without a reason.
var notYet []string

var (
	trapRow   = regexp.MustCompile(`(?m)^\| ([TD]\d+) \| ([^|]+) \| ([^|]+) \| ?([^|]*?) ?\|$`)
	elsewhere = regexp.MustCompile(`(?s)## Not about moving or upgrading\n(.*)`)
	trapName  = regexp.MustCompile(`\b[TD]\d+\b`)
	ticked    = regexp.MustCompile("`([^`]+)`")
)

// tests are the tests of each folder, and the text literals of their files,
// which name the cases.
type tests struct{ names, texts map[string]bool }

func allTests(t *testing.T) map[string]tests {
	t.Helper()
	out := map[string]tests{}
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		if out[s.dir].names == nil {
			out[s.dir] = tests{map[string]bool{}, map[string]bool{}}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
					out[s.dir].names[n.Name.Name] = true
				}
			case *ast.BasicLit:
				out[s.dir].texts[strings.Trim(n.Value, "\"`")] = true
			}
			return true
		})
	}
	return out
}

// there tells whether a test written as "folder TestName/case" exists.
func there(all map[string]tests, ref string) bool {
	dir, name, ok := strings.Cut(ref, " ")
	name, sub, has := strings.Cut(name, "/")
	return ok && all[dir].names[name] && (!has || all[dir].texts[sub])
}

// What the page of traps claims is in the source, and no trap is forgotten.
func TestThePageOfTrapsClaimsNothingThatIsNotThere(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs/traps.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	known := map[string]bool{}
	for _, f := range findings(t) {
		for _, id := range f.ids {
			known[id] = true
		}
	}
	all := allTests(t)
	seen := map[string]bool{}
	var open []string
	for _, m := range trapRow.FindAllStringSubmatch(page, -1) {
		trap, check, proof := m[1], m[3], m[4]
		if seen[trap] {
			t.Errorf("%s stands there twice", trap)
		}
		seen[trap] = true
		for _, id := range ticked.FindAllStringSubmatch(check, -1) {
			if !known[id[1]] {
				t.Errorf("%s: there is no finding %s", trap, id[1])
			}
		}
		refs := ticked.FindAllStringSubmatch(proof, -1)
		if strings.HasPrefix(check, "not yet: ") {
			open = append(open, trap)
			if len(refs) > 0 {
				t.Errorf("%s is not yet, and names a test", trap)
			}
			continue
		}
		if len(refs) == 0 {
			t.Errorf("%s names no test", trap)
		}
		for _, ref := range refs {
			if !there(all, ref[1]) {
				t.Errorf("%s: there is no test %s", trap, ref[1])
			}
		}
	}
	slices.Sort(open)
	if !slices.Equal(open, notYet) {
		t.Errorf("not yet: %v, want %v", open, notYet)
	}
	rest := elsewhere.FindStringSubmatch(page)
	if rest == nil {
		t.Fatal("the page has no last part")
	}
	for _, trap := range trapName.FindAllString(rest[1], -1) {
		if seen[trap] {
			t.Errorf("%s is about moving, and is not", trap)
		}
		seen[trap] = true
	}
	want := map[string]bool{}
	for letter, n := range map[string]int{"T": 39, "D": 17} {
		for i := range n {
			want[fmt.Sprintf("%s%d", letter, i+1)] = true
		}
	}
	if !maps.Equal(seen, want) {
		t.Errorf("the page has %d traps, there are %d", len(seen), len(want))
	}
}

func TestAClaimOfTheTrapsIsLookedUp(t *testing.T) {
	all := allTests(t)
	for ref, want := range map[string]bool{
		"reconcile TestPreflightNamesEverythingInTheWay":               true,
		"reconcile TestPreflightNamesEverythingInTheWay/another chart": true,
		"reconcile TestPreflightNamesEverythingInTheWay/nobody":        false,
		"reconcile TestNobody":                                         false,
		"internal/kube TestPreflightNamesEverythingInTheWay":           false,
		"TestPreflightNamesEverythingInTheWay":                         false,
	} {
		if there(all, ref) != want {
			t.Errorf("%s: found is %t", ref, !want)
		}
	}
}
