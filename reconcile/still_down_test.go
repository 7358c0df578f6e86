package reconcile

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Whoever reads that the application is stopped still reads why.
func TestWhyItIsStillDown(t *testing.T) {
	step := errors.New("Copy every database: the disk is full")
	lost, lose := context.WithCancelCause(t.Context())
	lose(engine.ErrLeaseLost)
	for name, row := range map[string]struct {
		ctx  context.Context
		err  error
		want string
	}{
		"the way back failed":       {t.Context(), errors.Join(step, &notBackError{errors.New("roll back helm release ci: forbidden")}), "it could not be brought back: roll back helm release ci: forbidden"},
		"forward, and not up":       {t.Context(), errors.Join(step, &forwardError{err: errors.New("commit again: no answer")}), "it could not be brought back: there is only forward: commit again: no answer; apply again to finish"},
		"held for a hand-off":       {t.Context(), fmt.Errorf("Hand the switch off: %w", &HandOffError{By: spec.ManagedByFlux, Why: "api names postgresql"}), "it is held at zero for a hand-off: api names postgresql"},
		"another run has the lease": {engine.WithLease(t.Context(), lost), step, "another run may be bringing it back: the lease, or a record, is no longer this one's"},
		"another run wrote":         {t.Context(), fmt.Errorf("write ConfigMap x: %w", engine.ErrConflict), "another run may be bringing it back: the lease, or a record, is no longer this one's"},
		"anything else":             {t.Context(), step, "Copy every database: the disk is full"},
	} {
		if got := whyDown(row.ctx, engine.Report{Application: engine.Application{State: engine.AppStopped}}, row.err); got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
		if got := whyDown(row.ctx, engine.Report{Application: engine.Application{State: engine.AppBack}}, row.err); got != "" {
			t.Errorf("%s, and it is up: got %q", name, got)
		}
	}
	kept := errors.Join(step, &notBackError{&mover.Error{Code: mover.CodeUnreachable, Err: errors.New("no route")}})
	var cause *mover.Error
	if !errors.As(kept, &cause) || kept.Error() != step.Error()+"\nbring the application back: no route" {
		t.Errorf("the cause is lost: %v", kept)
	}
}

// The names that a plan carries are those of the installation, and the open
// move's where there is one.
func TestAPlanCarriesItsNames(t *testing.T) {
	w, s := newWorld(), externalSpec()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	n := NamesIn(plan)
	pg := n.Store(mover.PostgreSQL)
	if n.Namespace != s.Server.Namespace || n.Release != s.Server.Release || n.Revision != o.Release.Value.Revision || len(n.Workloads) != len(o.Workloads.Value) || n.Values == "" {
		t.Errorf("names are %+v", n)
	}
	if pg.To != spec.External || pg.Inside != "postgresql" || pg.Outside.Host != "pg.example.com" || pg.InsideSecret == nil || len(pg.Databases) == 0 || len(pg.Volumes) == 0 {
		t.Errorf("names of PostgreSQL are %+v", pg)
	}
	w.at = func(p string) {
		if p == "switch-release:after-effect" {
			panic(killed{p})
		}
	}
	_ = w.process(t.Context(), s)
	w.at = nil
	_, again, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	if NamesIn(again).Revision != n.Revision || fmt.Sprint(NamesIn(again).Workloads) != fmt.Sprint(n.Workloads) {
		t.Errorf("after a kill the names are %+v, before it %+v", NamesIn(again), n)
	}
	if NamesOf(&spec.Spec{}, Observation{}) != nil {
		t.Error("a services machine has names")
	}
	if of := NamesOf(s, Observation{}); of.Revision != 0 || of.Store(mover.PostgreSQL).Inside != "" || of.Store(mover.PostgreSQL).Outside.Host != "pg.example.com" {
		t.Errorf("the file's own names are %+v", of)
	}
}
