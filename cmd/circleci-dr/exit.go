package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// usageError is a mistake in how the command was called.
type usageError struct{ text string }

// Error gives the mistake.
func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// hint is an error with what to do next.
type hint struct {
	err  error
	next string
}

// Error gives the cause; the hint is printed on its own line.
func (e *hint) Error() string { return e.err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *hint) Unwrap() error { return e.err }

// unreachable is a cluster that could not be asked anything at all.
type unreachable struct{ err error }

// Error gives the cause.
func (e *unreachable) Error() string { return e.err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *unreachable) Unwrap() error { return e.err }

// verdict is an outcome that is no error and has a code of its own.
type verdict struct {
	code int
	text string
}

// Error gives the verdict in words.
func (e *verdict) Error() string { return e.text }

// result is what --result writes: CI wrappers eat exit codes.
type result struct {
	Format  string `json:"format"`
	Command string `json:"command"`
	Exit    int    `json:"exit"`
	Verdict string `json:"verdict"`
	Error   string `json:"error,omitempty"`
	Plan    string `json:"plan,omitempty"`
	Steps   int    `json:"steps"`
	Drift   int    `json:"drift"`
}

// exit prints the error, writes the result file and gives the exit code.
func (p *program) exit(ctx context.Context, err error) int {
	code := codeOf(ctx, err)
	text := ""
	var v *verdict
	if err != nil && !errors.As(err, &v) {
		text = err.Error()
		p.say(err)
	}
	if p.last != "" {
		fmt.Fprintln(p.err, "circleci-dr: "+p.last)
	}
	if p.resultFile == "" {
		return code
	}
	r := p.result
	r.Format, r.Exit, r.Verdict, r.Error = "circleci-dr/result/v1", code, rowOf(code).verdict, text
	data, jerr := json.MarshalIndent(r, "", "  ")
	if jerr == nil {
		jerr = os.WriteFile(p.resultFile, append(data, '\n'), 0o644)
	}
	if jerr != nil {
		fmt.Fprintln(p.err, "circleci-dr: error: write result file:", jerr)
		if code == codeFine {
			code = codeFailed
		}
	}
	return code
}

// say prints an error once, for a person: the cause, then what to do next.
func (p *program) say(err error) {
	var problems *spec.Problems
	if errors.As(err, &problems) {
		return // validate has printed them
	}
	var joined interface{ Unwrap() []error }
	if lines := unreadLines(err); len(lines) > 1 {
		fmt.Fprintln(p.err, "circleci-dr: error: live state could not be read:\n  "+strings.Join(lines, "\n  "))
	} else if errors.As(err, &joined) && len(joined.Unwrap()) > 1 {
		lines := strings.Split(err.Error(), "\n")
		fmt.Fprintln(p.err, "circleci-dr: error: "+strings.Join(lines, "\n  and: "))
	} else {
		fmt.Fprintln(p.err, "circleci-dr: error: "+err.Error())
	}
	if next := nextStep(err); next != "" {
		fmt.Fprintln(p.err, "circleci-dr: hint: "+next)
	}
}

func nextStep(err error) string {
	var (
		h     *hint
		other *kube.OtherEngineError
		ended *engineError
	)
	switch {
	case errors.As(err, &h):
		return h.next
	case errors.As(err, &ended):
		return ended.outcome.Hint
	case errors.As(err, &other):
		return "circleci-dr status --follow shows what it does; it works on another file than this one"
	}
	row, known := rowFor(err)
	if !known && errors.Is(err, engine.ErrDeadline) {
		return "find out what took so long, or give it more time with --deadline"
	}
	return row.next
}
