package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"
)

// unbounded are the contexts without a limit of their own, by folder and
// function, with what bounds them instead.
var unbounded = map[string]string{
	"cmd/circleci-dr withSignals":       "the whole command, which signals end",
	"cmd/circleci-dr hosted.carryOut":   "each request to the API server has its own limit",
	"cmd/circleci-dr handOver":          "the pod's grace period",
	"internal/kube Client.Acquire":      "the lease, which ends when it cannot be renewed",
	"internal/helm Client.upgrade":      "Helm cannot be stopped; each of its requests and hooks has a limit",
	"internal/mongo trial.drop":         "each command has the limit of an answer",
	"internal/kube Client.RemoveEngine": "each request to the API server has its own limit",
}

// What waits without a limit is found where it is written: a context that nothing
// ends, a client or a dialer without a time, a number where a name belongs.
func TestNothingInAnOutageWaitsWithoutALimit(t *testing.T) {
	used := map[string]bool{}
	for _, s := range outageSources(t) {
		for _, d := range s.file.Decls {
			where := s.dir + " " + nameOf(d)
			for _, fault := range endless(s, d) {
				if fault.context && engine(s.dir) {
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
	switch generic := of.(type) {
	case *ast.IndexExpr:
		of = generic.X
	case *ast.IndexListExpr:
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
