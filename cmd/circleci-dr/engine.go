package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// namespaceFile is where Kubernetes tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// engineCommand is what runs in an engine's pod. It is hidden: people have
// apply --in-cluster.
func (p *program) engineCommand() *cli.Command {
	var job, dir string
	return &cli.Command{
		Name: "engine", Hidden: true, Usage: "apply inside the cluster what was submitted",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "job", Usage: "the `NAME` of the engine's own Job", Destination: &job},
			&cli.StringFlag{Name: "work", Usage: "the `DIRECTORY` with spec, plan and acceptance", Destination: &dir},
		},
		Action: func(c *cli.Context) error { return p.runEngine(c.Context, job, dir) },
	}
}

// engine is one pod of an engine in the cluster.
type hosted struct {
	client *kube.Client
	run    engine.HostedRun
	log    *engineLog
	work   handed
	ses    *session
}

// runEngine does the work and ends well only when there is an outcome: a pod
// that fails is followed by another, which goes on.
func (p *program) runEngine(ctx context.Context, job, dir string) error {
	ctx, stop := handOver(ctx)
	defer stop()
	namespace, err := os.ReadFile(namespaceFile)
	if err != nil {
		return fmt.Errorf("this command runs in a pod only: %w", err)
	}
	client, err := kube.New(kube.Options{InCluster: true, Namespace: strings.TrimSpace(string(namespace)), Owner: podOwner(), Version: toolVersion()})
	if err != nil {
		return err
	}
	e := &hosted{client: client, log: newEngineLog(p.out)}
	work, workErr := readWork(dir)
	if e.run, err = client.EngineOf(ctx, job); err != nil {
		if errors.Is(workErr, os.ErrNotExist) && kube.Forbidden(err) {
			return nil // taking its own rights away was the last thing to do
		}
		e.log.Note(fmt.Sprintf("the engine cannot read its own Job: %v", err))
		return err
	}
	e.work = work
	out, err := e.outcome(ctx, workErr)
	if err != nil {
		e.log.Note(fmt.Sprintf("this pod of the engine ends: %v; the next one goes on", err))
		return errors.Join(&verdict{codeFailed, "the engine goes on in its next pod"}, e.log.out.err)
	}
	return e.end(ctx, out)
}

// outcome is how the work ended: now, or already when a former pod did it.
func (e *hosted) outcome(ctx context.Context, workErr error) (engine.HostedOutcome, error) {
	rec := engine.ReadHosted(ctx, e.client)
	if rec.Unread() {
		return engine.HostedOutcome{}, errors.New(rec.Why)
	}
	began := rec.Is() && rec.Value.UID == e.run.UID
	switch {
	case began && rec.Value.Outcome != nil:
		return *rec.Value.Outcome, nil
	case workErr != nil && began:
		return engine.HostedOutcome{}, workErr
	case workErr != nil:
		return e.ended(ctx, engine.Report{}, workErr), nil
	}
	if err := e.client.BindEngine(ctx, e.run); err != nil {
		e.log.Note(fmt.Sprintf("could not tie what was submitted to the Job: %v", err))
	}
	if err := e.connect(); err != nil {
		return e.ended(ctx, engine.Report{}, err), nil
	}
	return e.apply(ctx, rec.Value, began)
}

// connect makes the session of the submitted spec. The chart that came along
// is used in place of the one the spec names, which the plan still binds to.
func (e *hosted) connect() error {
	s := e.work.spec
	chart := s.Server.Chart
	path, err := chartFrom(kube.EngineChart, e.work.ChartBytes, os.TempDir())
	if err != nil {
		return err
	}
	if path != "" {
		chart = path
	}
	e.ses, err = connect(s, kube.Options{
		InCluster: true, Namespace: s.Server.Namespace, Release: s.Server.Release, Name: s.Name, Mover: s.Mover, Image: publishedImage(),
		Told: kube.EngineTold, Owner: podOwner(), Version: toolVersion(),
	}, chart)
	return err
}

// apply takes the lease and does the work of this pod. An error means that the
// work is not over.
func (e *hosted) apply(ctx context.Context, rec engine.HostedRecord, began bool) (engine.HostedOutcome, error) {
	none := engine.HostedOutcome{}
	held, release, err := e.lease(ctx)
	if err != nil {
		return e.heldBack(ctx, began, err)
	}
	defer release()
	seen := reconcile.Observe(held, e.ses.spec, e.ses.providers, reconcile.ObserveOptions{
		Inspect: true, Preview: true, Progress: func(mover.Event) {}, Authoritative: reconcile.ChosenIn(e.work.plan),
	})
	plan, err := reconcile.MakePlan(e.ses.spec, seen)
	if cause := context.Cause(held); cause != nil {
		return none, cause
	}
	if err != nil {
		return e.heldBack(ctx, began, err)
	}
	if why, back := reconcile.WentBackSince(rec.Attempt, seen); began && back {
		return e.record(held, rec, e.ended(held, engine.Report{Plan: e.work.plan.ID, Application: engine.Application{State: engine.AppBack}}, errors.New(why)))
	}
	if !began {
		rec = engine.HostedRecord{Job: e.run.Job, UID: e.run.UID, Plan: e.work.plan.ID, By: e.work.By, Begun: time.Now().UTC(), Attempt: reconcile.AttemptOf(seen)}
		if err := engine.WriteHosted(held, e.ses.providers.Records, rec); err != nil {
			return none, err
		}
	}
	plan, back, err := e.fit(plan, seen, began)
	if err != nil {
		return e.heldBack(held, began, err)
	}
	return e.carryOut(held, rec, seen, plan, back)
}

// fit holds the plan made now against the accepted one. What cannot go on, with
// the application stopped and nobody there, is brought back; back is why.
func (e *hosted) fit(plan engine.Plan, seen reconcile.Observation, began bool) (now engine.Plan, back, err error) {
	if began && len(plan.Steps) == 0 && len(plan.Blocked()) == 0 {
		return plan, nil, nil // a former pod was killed when all was done
	}
	err = reconcile.CheckPlan(e.work.plan, plan)
	if blocked := plan.Blocked(); err == nil && len(blocked) > 0 {
		err = &engine.BlockedError{Findings: blocked}
	}
	if err == nil && !began { // what is under way goes on, or back
		err = accepted(plan, strings.Join(e.work.Accepted, ","), &e.work.plan)
	}
	if began && reconcile.Returns(plan) {
		// What was on its way back is not begun again by itself.
		err = errors.New("the move was cut off on its way back")
	}
	if err == nil {
		return plan, nil, nil
	}
	if returning, ok := reconcile.BackPlan(e.ses.spec, seen, err.Error()); ok {
		return returning, err, nil
	}
	return plan, nil, err
}

func (e *hosted) carryOut(ctx context.Context, rec engine.HostedRecord, seen reconcile.Observation, plan engine.Plan, back error) (engine.HostedOutcome, error) {
	e.log.Plan(plan)
	report, err := reconcile.Apply(ctx, e.ses.spec, seen, plan, e.ses.providers,
		engine.Options{By: e.work.By + ", in the cluster", Limit: limitAt(e.run.Deadline)}, e.log)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, engine.ErrLeaseLost) {
		return engine.HostedOutcome{}, cause
	}
	open, openErr := reconcile.Unfinished(context.WithoutCancel(ctx), e.ses.providers.Records)
	if err != nil && (open || openErr != nil) {
		return engine.HostedOutcome{}, err
	}
	if err == nil && back != nil {
		err, report.Application = back, engine.Application{State: engine.AppBack}
	}
	return e.record(ctx, rec, e.ended(ctx, report, err))
}

// record keeps the outcome beside the log, for the next pod and for whoever
// comes back late.
func (e *hosted) record(ctx context.Context, rec engine.HostedRecord, out engine.HostedOutcome) (engine.HostedOutcome, error) {
	rec.Outcome = &out
	return out, engine.WriteHosted(ctx, e.ses.providers.Records, rec)
}

// heldBack is the outcome of a pod that could not even begin, unless something
// stands open that a later one can bring to its end.
func (e *hosted) heldBack(ctx context.Context, began bool, err error) (engine.HostedOutcome, error) {
	open, openErr := reconcile.Unfinished(ctx, e.client)
	if open || openErr != nil && (began || e.work.plan.Resumes != "") {
		return engine.HostedOutcome{}, err
	}
	return e.ended(ctx, engine.Report{Plan: e.work.plan.ID}, err), nil
}

func (e *hosted) ended(ctx context.Context, report engine.Report, err error) engine.HostedOutcome {
	out := engine.HostedOutcome{At: time.Now().UTC(), Exit: codeOf(ctx, err), Hint: nextStep(err), Report: report}
	var different *reconcile.DifferentError
	if errors.As(err, &different) {
		out.Differences = engine.JSON(different.Proof.Differences)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

// end removes what the engine was given, its rights last, and tells the
// outcome.
func (e *hosted) end(ctx context.Context, out engine.HostedOutcome) error {
	err := e.client.RemoveEngine(ctx, e.run)
	if err != nil {
		e.log.Note(fmt.Sprintf("could not remove everything that was submitted: %v", err))
	}
	return e.log.outcome(out)
}

// leastWait is how long an engine waits for the lease also when its time is up.
const leastWait = 2 * time.Minute

// lease waits for whoever submitted, or for the time a dead pod's lease takes
// to run out.
func (e *hosted) lease(ctx context.Context) (context.Context, func(), error) {
	return e.ses.kube.Acquire(ctx, kube.LeaseOptions{Purpose: "apply", Wait: max(time.Until(e.run.Deadline), leastWait), OnHeld: func(h engine.LeaseHolder) {
		e.log.Note(fmt.Sprintf("waiting for %s, who holds the lease for %s since %s", h.Owner, h.Purpose, h.Since.UTC().Format(time.RFC3339)))
	}})
}

func podOwner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "engine@" + filepath.Base(host) + "/" + strconv.Itoa(os.Getpid())
}

// handedOver is why a pod's work stops when the pod is told to end. As for a
// lost lease nothing is brought back: the next pod goes on.
type handedOver struct{}

// Error says so.
func (handedOver) Error() string { return "the pod was told to end" }

// Is makes it a lost lease to the engine.
func (handedOver) Is(target error) bool { return target == engine.ErrLeaseLost }

// handOver makes of an interruption what it means in a pod.
func handOver(ctx context.Context) (context.Context, func()) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(handedOver{}) })
	return out, func() { stop(); cancel(nil) }
}
