package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// outage are the packages that work while the application is stopped.
var outage = []string{"reconcile", "internal/kube", "internal/helm", "internal/postgres", "internal/mongo", "cmd/circleci-dr"}

// unbounded are the contexts without a limit of their own, by folder and
// function, with what bounds them instead.
var unbounded = map[string]string{
	"cmd/circleci-dr withSignals":       "the whole command, which signals end",
	"cmd/circleci-dr engine.carryOut":   "each request to the API server has its own limit",
	"cmd/circleci-dr handOver":          "the pod's grace period",
	"internal/kube Client.Acquire":      "the lease, which ends when it cannot be renewed",
	"internal/helm Client.upgrade":      "Helm cannot be stopped; each of its requests and hooks has a limit",
	"internal/mongo trial.drop":         "each command has the limit of an answer",
	"internal/kube Client.RemoveEngine": "each request to the API server has its own limit",
}

// units are the durations that limits are made of.
var units = map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}

// limit is a named duration of the source.
type limit struct {
	value time.Duration // 0 when it is worked out
	at    string
}

// A limit that is not on the page is one that nobody can know of; one that is
// there has the value that the source gives it.
func TestEveryLimitIsOnThePage(t *testing.T) {
	named := map[string]limit{}
	for _, s := range outageSources(t) {
		for name, l := range limitsIn(s) {
			named[s.dir+" "+name] = l
		}
	}
	if len(named) < 40 {
		t.Fatalf("only %d limits were found: %v", len(named), slices.Sorted(maps.Keys(named)))
	}
	raw, err := os.ReadFile(filepath.Join(root, "docs/limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := rowsOf(string(raw))
	for name, l := range named {
		row, ok := page[name]
		switch {
		case !ok:
			t.Errorf("%s: `%s` is not in docs/limits.md; say there what waits, how long, and what happens then", l.at, name)
		case l.value != 0 && !regexp.MustCompile(`\b`+regexp.QuoteMeta(inWords(l.value))+`\b`).MatchString(row):
			t.Errorf("%s: `%s` is %s, and docs/limits.md says %s", l.at, name, inWords(l.value), row)
		}
	}
	for name := range page {
		if _, ok := named[name]; !ok {
			t.Errorf("docs/limits.md: there is no `%s`", name)
		}
	}
}

// rowsOf gives each row of a page's tables by the names in its last column.
func rowsOf(page string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 {
			continue
		}
		for _, m := range ticked.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			out[m[1]] = strings.TrimSpace(strings.Join(cells[:len(cells)-1], "|"))
		}
	}
	return out
}

// inWords is a duration as the page spells it.
func inWords(d time.Duration) string {
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if d%u.of == 0 {
			return fmt.Sprintf("%d %s", d/u.of, u.name)
		}
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// limitsIn are the named durations of a file: constants, variables, and fields
// where a value is given to them by name.
func limitsIn(s source) map[string]limit {
	out := map[string]limit{}
	add := func(name string, v ast.Expr) {
		if d, ok := duration(v); ok {
			out[name] = limit{d, position(s, v)}
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, v := range n.Values {
				add(n.Names[i].Name, v)
			}
		case *ast.CompositeLit:
			of, ok := n.Type.(*ast.Ident)
			if !ok || estimates[of.Name] {
				return true
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok {
						add(of.Name+"."+key.Name, kv.Value)
					}
				}
			}
		}
		return true
	})
	return out
}

// estimates are the types whose durations only foretell.
var estimates = map[string]bool{"Estimate": true}

// duration is what a product of numbers and one of time's units is worth. An
// expression with another name in it is no constant of its own.
func duration(e ast.Expr) (time.Duration, bool) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return units[e.Sel.Name], ok && pkg.Name == "time" && units[e.Sel.Name] != 0
	case *ast.BinaryExpr:
		if e.Op != token.MUL {
			return 0, false
		}
		d, okD := duration(e.Y)
		lit, okN := e.X.(*ast.BasicLit)
		if !okD || !okN {
			return 0, false
		}
		n, err := strconv.Atoi(lit.Value)
		return d * time.Duration(n), err == nil
	}
	return 0, false
}

func outageSources(t *testing.T) []source {
	t.Helper()
	return slices.DeleteFunc(sources(t), func(s source) bool {
		return s.test || strings.HasSuffix(s.name, "_test_build.go") || !slices.Contains(outage, s.dir)
	})
}

func position(s source, n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.name, s.set.Position(n.Pos()).Line)
}

// What waits without a limit is found where it is written: a context that nothing
// ends, a client or a dialer without a time, a number where a name belongs.
func TestNothingInAnOutageWaitsWithoutALimit(t *testing.T) {
	used := map[string]bool{}
	for _, s := range outageSources(t) {
		for _, d := range s.file.Decls {
			where := s.dir + " " + nameOf(d)
			for _, fault := range endless(s, d) {
				if fault.context && s.dir == "reconcile" {
					continue // it calls ports only, each call of which has its limit
				}
				if _, known := unbounded[where]; fault.context && known {
					used[where] = true
					continue
				}
				t.Errorf("%s: %s (%s)", fault.at, fault.what, where)
			}
		}
	}
	for where := range unbounded {
		if !used[where] {
			t.Errorf("unbounded names %s, where nothing is without a limit", where)
		}
	}
}

// nameOf names a declaration as Type.Method, file or function.
func nameOf(d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok {
		return "a variable"
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return of.(*ast.Ident).Name + "." + f.Name.Name
}

// fault is something that may wait for ever.
type fault struct {
	at, what string
	context  bool
}

// endless finds what may wait for ever in a declaration.
func endless(s source, d ast.Decl) []fault {
	var out []fault
	bounded := map[ast.Node]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			name := called(n)
			if timed[name] {
				bounded[n.Args[0]] = true // a context that gets its limit here
				for _, a := range n.Args {
					if _, ok := duration(a); ok {
						out = append(out, fault{position(s, n), "a limit needs a name, and a row in docs/limits.md", false})
					}
				}
			}
			switch {
			case (name == "context.WithoutCancel" || name == "context.Background" || name == "context.TODO") && !bounded[n]:
				out = append(out, fault{position(s, n), name + " without a limit: give it to context.WithTimeout at once", true})
			case bare[name] != "":
				out = append(out, fault{position(s, n), name + " has no limit: use " + bare[name], false})
			}
		case *ast.CompositeLit:
			if name := selector(n.Type); name == "http.Client" && !has(n, "Timeout") {
				out = append(out, fault{position(s, n), "an http.Client without Timeout", false})
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				to, ok := l.(*ast.SelectorExpr)
				if !ok || i >= len(n.Rhs) || !strings.HasSuffix(to.Sel.Name, "Timeout") && to.Sel.Name != "Deadline" {
					continue
				}
				if _, ok := duration(n.Rhs[i]); ok {
					out = append(out, fault{position(s, n), "a limit needs a name, and a row in docs/limits.md", false})
				}
			}
		}
		return true
	})
	return out
}

// timed give a context a limit; bare are calls without one, with what to use.
var (
	timed = map[string]bool{"context.WithTimeout": true, "context.WithTimeoutCause": true, "context.WithDeadline": true, "context.WithDeadlineCause": true}
	bare  = map[string]string{"net.Dial": "net.Dialer.DialContext", "tls.Dial": "tls.Dialer.DialContext", "http.Get": "a client of ours", "http.Post": "a client of ours",
		"exec.Command": "exec.CommandContext", "time.Sleep": "process.Pause", "time.After": "process.Pause"}
)

func called(c *ast.CallExpr) string { return selector(c.Fun) }

func selector(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if pkg, ok := sel.X.(*ast.Ident); ok {
			return pkg.Name + "." + sel.Sel.Name
		}
	}
	return ""
}

func has(c *ast.CompositeLit, field string) bool {
	return slices.ContainsFunc(c.Elts, func(e ast.Expr) bool {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		key, ok := kv.Key.(*ast.Ident)
		return ok && key.Name == field
	})
}

// The rule itself is tried on what it is for.
func TestWhatWaitsForEverIsFound(t *testing.T) {
	for body, want := range map[string]string{
		"f(context.WithoutCancel(ctx))":                                      "context.WithoutCancel",
		"ctx = context.Background()":                                         "context.Background",
		"context.WithTimeout(context.WithoutCancel(ctx), patience)":          "",
		"context.WithTimeout(ctx, 5*time.Second)":                            "a name",
		"job.Deadline = 3*time.Minute":                                       "a name",
		"dialer.Timeout = patience":                                          "",
		"c := &http.Client{Transport: t}; _ = c":                             "http.Client",
		"c := &http.Client{Transport: t, Timeout: patience}; _ = c":          "",
		"net.Dial(network, address)":                                         "net.Dial",
		"time.Sleep(patience)":                                               "time.Sleep",
		"exec.Command(name)":                                                 "exec.Command",
		"f(ctx)":                                                             "",
		"context.WithTimeoutCause(context.WithoutCancel(ctx), time.Hour, e)": "a name",
	} {
		s := parsed(t, "package p\nfunc f(){\n"+body+"\n}")
		var got []string
		for _, d := range s.file.Decls {
			for _, f := range endless(s, d) {
				got = append(got, f.what)
			}
		}
		if text := strings.Join(got, "; "); want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("%s: found %q, want %q", body, text, want)
		}
	}
	s := parsed(t, "package p\nconst a, b = 3*time.Minute, 7\nvar c = limits{answer: time.Second, rate: 1}\nvar d = Estimate{High: time.Hour}")
	got := limitsIn(s)
	if len(got) != 2 || got["a"].value != 3*time.Minute || got["limits.answer"].value != time.Second {
		t.Errorf("found %v", got)
	}
}

func parsed(t *testing.T, text string) source {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	return source{name: "p.go", dir: "p", file: file, set: set}
}
