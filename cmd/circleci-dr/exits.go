package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The exit codes, by name.
const (
	codeFine        = 0
	codeFailed      = 1
	codeChanges     = 2
	codePolicy      = 3
	codeUnreadable  = 4
	codeStale       = 5
	codeHeld        = 6
	codeBlocked     = 7
	codeUsage       = 64
	codeInterrupted = 130
)

// exit is one way in which a command ends. Help, docs/exit-codes.md and --result
// are made of these rows.
type exit struct {
	code int
	// verdict is the word for scripts that --result writes.
	verdict string
	// brief is what the help of a command says, where the command does not say it
	// more closely.
	brief string
	// meaning and then are for the page: what it means, and what to do.
	meaning, then string
	// is tells errors that end so; nil where a command says so itself.
	is func(error) bool
	// sure tells that it is so whatever else the error says, and also when somebody
	// interrupted meanwhile: a lease that is held is also one that was not read.
	sure bool
	// next is the hint that such an error brings, "" for none.
	next string
}

var exitRows = []exit{
	{code: codeFine, verdict: "fine", brief: "fine", meaning: "fine: valid, nothing to do, applied, no drift, equal"},
	{code: codeFailed, verdict: "failed", brief: "failed", meaning: "failed; also an invalid file, and a proof that found a difference",
		then: "read the message; `status` says where things are", is: isA[*spec.Problems], sure: true},
	{code: codeChanges, verdict: "changes", brief: "there are changes",
		meaning: "there are changes: `drift` found some, `plan --detailed-exitcode` has steps, or `values --check` would edit a file", then: "read them"},
	{code: codePolicy, verdict: "policy", brief: "a policy is violated", meaning: "a policy is violated; reserved, no command of this version returns it"},
	{code: codeUnreadable, verdict: "unreadable", brief: "live state unreadable", meaning: "live state could not be read, or is too old to decide on",
		then: "repair the access and run it again; nothing was changed", is: either(isA[*reconcile.UnreadableError], isA[*unreachable]),
		next: "nothing was changed; repair the access and run it again"},
	{code: codeStale, verdict: "stale", brief: "stale plan", meaning: "the plan is stale: a fact it was made on has moved",
		then: "make a new plan and have it reviewed", is: isA[*engine.StaleError], next: "make a new plan and have it reviewed"},
	{code: codeHeld, verdict: "lease-held", brief: "lease held by someone else", meaning: "somebody else holds the lease, or an engine in the cluster works on another file",
		then: "wait with `--wait 10m`; `unlock` and `status` show who it is", is: either(isA[*kube.HeldError], isA[*kube.OtherEngineError]), sure: true,
		next: "wait for it with --wait 10m; circleci-dr unlock shows the holder and removes the lease of one that is dead"},
	{code: codeBlocked, verdict: "blocked", brief: "blocked by preflight", meaning: "blocked by preflight", then: "each finding says how to fix it; nothing was changed",
		is: isA[*engine.BlockedError]},
	{code: codeUsage, verdict: "usage", brief: "usage", meaning: "the command line is wrong, a danger was not accepted, or `init` found several releases and was told none",
		is: isA[*usageError], sure: true, next: "circleci-dr help lists the commands, and circleci-dr COMMAND --help its flags"},
	{code: codeInterrupted, verdict: "interrupted", brief: "interrupted", meaning: "interrupted by a signal", then: "`status`, then the same command again"},
}

// ends are the codes that a command ends with, and what it says of them itself.
type ends map[int]string

// commandEnds are the ways in which the commands end.
var commandEnds = map[string]ends{
	"init":       {codeFine: "written", codeFailed: "failed or no release", codeUnreadable: "", codeUsage: "usage, or several releases", codeInterrupted: ""},
	"validate":   {codeFine: "valid", codeFailed: "invalid", codeUsage: ""},
	"plan":       {codeFine: "", codeFailed: "", codeChanges: "there are steps (with --detailed-exitcode)", codeUnreadable: "", codeBlocked: "", codeUsage: "", codeInterrupted: ""},
	"apply":      {codeFine: "", codeFailed: "", codeUnreadable: "", codeStale: "", codeHeld: "", codeBlocked: "", codeUsage: "", codeInterrupted: ""},
	"drift":      {codeFine: "no drift", codeFailed: "", codeChanges: "drift", codeUnreadable: "live state unreadable or the inspection too old", codeUsage: "", codeInterrupted: ""},
	"status":     {codeFine: "", codeFailed: "", codeUnreadable: "something could not be read (its line says what)", codeUsage: "", codeInterrupted: ""},
	"prove":      {codeFine: "equal", codeFailed: "different or failed", codeUnreadable: "one side cannot be read", codeHeld: "", codeUsage: "", codeInterrupted: ""},
	"rehearse":   {codeFine: "", codeFailed: "", codeUnreadable: "", codeHeld: "", codeBlocked: "it found something", codeUsage: "", codeInterrupted: ""},
	"values":     {codeFine: "", codeFailed: "failed or refused", codeChanges: "the files would change (with --check)", codeUsage: ""},
	"unlock":     {codeFine: "", codeFailed: "", codeUnreadable: "the lease could not be read", codeUsage: "", codeInterrupted: ""},
	"support":    {codeFine: "", codeFailed: "", codeUnreadable: "written, but something could not be read", codeUsage: "", codeInterrupted: ""},
	"show":       {codeFine: "", codeFailed: "the file cannot be read", codeUsage: ""},
	"explain":    {codeFine: "", codeFailed: "", codeUnreadable: "", codeUsage: "usage, also a step that the plan does not have", codeInterrupted: ""},
	"rbac":       {codeFine: "", codeFailed: "", codeUsage: ""},
	"schema":     {codeFine: "", codeUsage: ""},
	"version":    {codeFine: "", codeUsage: ""},
	"completion": {codeFine: "", codeUsage: ""},
}

// sorted are the codes in order.
func (e ends) sorted() []int {
	var out []int
	for code := range e {
		out = append(out, code)
	}
	slices.Sort(out)
	return out
}

// exitsOf is the sentence of a command's help about its exit codes.
func exitsOf(command string) string {
	var out []string
	said := commandEnds[command]
	for _, code := range said.sorted() {
		brief := said[code]
		if brief == "" {
			brief = rowOf(code).brief
		}
		out = append(out, fmt.Sprintf("%d %s", code, brief))
	}
	return "Exit codes: " + strings.Join(out, ", ") + "."
}

// rowOf finds the row of a code; an unknown one failed.
func rowOf(code int) exit {
	if i := slices.IndexFunc(exitRows, func(row exit) bool { return row.code == code }); i >= 0 {
		return exitRows[i]
	}
	return rowOf(codeFailed)
}

// codeOf is the one place that maps an outcome to an exit code. What a command or
// a run in the cluster says itself counts first; an interruption may be why
// something could not be read, but not why the lease is held or the file is wrong.
func codeOf(ctx context.Context, err error) int {
	var (
		said  *verdict
		ended *engineError
	)
	switch {
	case err == nil:
		return codeFine
	case errors.As(err, &said):
		return said.code
	case errors.As(err, &ended):
		return ended.outcome.Exit
	}
	row, known := rowFor(err)
	switch {
	case known && row.sure:
		return row.code
	case errors.Is(context.Cause(ctx), errInterrupted):
		return codeInterrupted
	case known:
		return row.code
	}
	return codeFailed
}

// rowFor finds the way in which an error ends a command, those first that are sure.
func rowFor(err error) (row exit, known bool) {
	for _, sure := range []bool{true, false} {
		for _, row := range exitRows {
			if row.sure == sure && row.is != nil && row.is(err) {
				return row, true
			}
		}
	}
	return exit{}, false
}

func isA[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func either(one, other func(error) bool) func(error) bool {
	return func(err error) bool { return one(err) || other(err) }
}
