package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the scripts' expected files")

// TestMain turns the test binary into circleci-dr, so that scripts run the
// real main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"circleci-dr": func() { os.Exit(realMain(os.Args, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("KUBECONFIG", e.WorkDir+"/no-kubeconfig")
			e.Setenv("HOME", e.WorkDir)
			plan, err := os.ReadFile("../../internal/render/testdata/plan-move.json")
			if err != nil {
				return err
			}
			return os.WriteFile(e.WorkDir+"/plan.json", plan, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits CODE command…: the command must end with exactly this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE circleci-dr …")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = exitStatus(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
