package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The files an engine is handed.
const (
	workFile = "work.json"
	specFile = "spec.json"
	planFile = "plan.json"
)

const workFormat = "circleci-dr/work/v1"

// work is what an engine is told beside spec and plan.
type work struct {
	Format string `json:"format"`
	// By is who submitted, Accepted the dangers that were accepted.
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Accepted []string  `json:"accepted"`
	Tool     string    `json:"tool"`
	// ChartBytes is the size of the chart's archive that came along.
	ChartBytes int `json:"chartBytes,omitempty"`
}

// submit hands an accepted plan to an engine in the cluster.
func (p *program) submit(ctx context.Context, ses *session, plan engine.Plan, deadline time.Duration) (engine.HostedRun, error) {
	if missing := reconcile.SubmitFinding(ses.kube.Denied(ctx, reconcile.SubmitPermissions())); len(missing) > 0 {
		return engine.HostedRun{}, &engine.BlockedError{Findings: missing}
	}
	chart, err := ses.chart()
	if err != nil {
		return engine.HostedRun{}, err
	}
	files, err := workFiles(ses.spec, plan, work{
		Format: workFormat, By: owner(), At: time.Now().UTC(), Accepted: plan.Dangers(), Tool: toolVersion(), ChartBytes: len(chart),
	})
	if err != nil {
		return engine.HostedRun{}, err
	}
	if deadline == 0 {
		deadline = engine.DeadlineFor(plan)
	}
	run, err := ses.kube.Submit(ctx, kube.EngineWork{
		Plan: plan.ID, SpecDigest: ses.spec.Digest(), By: owner(), Deadline: deadline, Files: files, Chart: chart,
		References: ses.spec.References(), Rights: reconcile.Permissions(ses.spec),
	})
	if testHook != nil {
		testHook("submitted")
	}
	switch {
	case err != nil && context.Cause(ctx) != nil:
		err = &hint{err, "the same command takes up what was submitted; circleci-dr status tells whether an engine is at work"}
	case err == nil:
		fmt.Fprintf(p.err, "submitted as Job %s; what is not committed by %s (in %s) goes back\n",
			run.Job, run.Deadline.Format(time.RFC3339), time.Until(run.Deadline).Round(time.Second))
	}
	return run, err
}

func workFiles(s *spec.Spec, plan engine.Plan, w work) (map[string][]byte, error) {
	var drawn bytes.Buffer
	if err := render.PlanJSON(&drawn, plan); err != nil {
		return nil, fmt.Errorf("write the plan for the engine: %w", err)
	}
	told, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write the work for the engine: %w", err)
	}
	return map[string][]byte{specFile: s.Canonical(), planFile: drawn.Bytes(), workFile: told}, nil
}

// handed is what an engine reads of all that.
type handed struct {
	work
	spec *spec.Spec
	plan engine.Plan
}

// readWork reads it and holds the acceptance against the plan once more.
func readWork(dir string) (handed, error) {
	var h handed
	data, err := os.ReadFile(filepath.Join(dir, workFile))
	if err != nil {
		return h, fmt.Errorf("read the work: %w", err)
	}
	if err := json.Unmarshal(data, &h.work); err != nil {
		return h, fmt.Errorf("read the work: %w", err)
	}
	if h.Format != workFormat {
		return h, fmt.Errorf("read the work: its format is %.40q, this version reads %q", h.Format, workFormat)
	}
	if h.Tool != toolVersion() {
		return h, fmt.Errorf("the image holds circleci-dr %s and the work was submitted by %s: set mover.image to the image of the same version", toolVersion(), h.Tool)
	}
	if h.spec, err = spec.Load(filepath.Join(dir, specFile)); err != nil {
		return h, err
	}
	if h.spec.Server == nil {
		return h, errors.New("read the work: the spec has no server block")
	}
	plan, err := readPlanFile(filepath.Join(dir, planFile))
	if err != nil {
		return h, err
	}
	h.plan = *plan
	return h, accepted(h.plan, strings.Join(h.Accepted, ","), &h.plan)
}

// chartFrom puts the parts of the chart together again and gives the path, or
// "" when none came along.
func chartFrom(dir string, size int, to string) (string, error) {
	if size == 0 {
		return "", nil
	}
	parts, err := filepath.Glob(filepath.Join(dir, "[0-9]*"))
	if err != nil {
		return "", err
	}
	var whole []byte
	for _, part := range parts { // in the order of their names
		data, err := os.ReadFile(part)
		if err != nil {
			return "", fmt.Errorf("put the chart together: %w", err)
		}
		whole = append(whole, data...)
	}
	if len(whole) != size {
		return "", fmt.Errorf("put the chart together: %d of its %d bytes are there", len(whole), size)
	}
	path := filepath.Join(to, "circleci-dr-chart.tgz")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		return "", fmt.Errorf("put the chart together: %w", err)
	}
	return path, nil
}
