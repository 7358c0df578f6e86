package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// EngineWork is what an engine in the cluster is handed.
type EngineWork struct {
	// Plan is the id of the plan that was accepted; it names the Job.
	Plan       string
	SpecDigest string
	By         string
	// Deadline counts from the moment the Job is made.
	Deadline time.Duration
	// Files are what the engine reads, by name. They hold no secret.
	Files map[string][]byte
	// Chart is the release's chart as an archive, nil where the engine can
	// fetch it itself.
	Chart []byte
	// References are looked up here, where they point at something.
	References []spec.SecretRef
	// Rights are what the engine may do.
	Rights []server.Permission
}

// Where the engine's pod finds its work.
const (
	// EngineDir holds the files of the work, EngineTold what references pointed
	// at, EngineChart the parts of the chart's archive.
	EngineDir   = moverDir + "/work"
	EngineTold  = moverDir + "/told"
	EngineChart = moverDir + "/chart"

	engineName      = "circleci-dr-engine"
	engineContainer = "engine"
)

func engineJobName(plan string) string { return engineName + "-" + plan }

// OtherEngineError means that an engine works on something else.
type OtherEngineError struct{ Run engine.HostedRun }

// Error names the engine and the way to see what it does.
func (e *OtherEngineError) Error() string {
	return fmt.Sprintf("an engine is at work in the cluster since %s on plan %s for %s (Job %s)",
		e.Run.Since.Format(time.RFC3339), e.Run.Plan, e.Run.By, e.Run.Job)
}

// Engine reads which engine is at work in the cluster, or else which was last.
func (c *Client) Engine(ctx context.Context) engine.Observed[engine.HostedRun] {
	jobs, err := all[batchv1.Job](ctx, labelEngine+","+labelManagedBy+"="+manager, listOf(c.kube.BatchV1().Jobs(c.options.Namespace).List))
	if err != nil {
		return engine.CouldNot[engine.HostedRun](fmt.Errorf("list Jobs of engines: %w", err))
	}
	var runs []engine.HostedRun
	for _, job := range jobs {
		runs = append(runs, engineRun(job))
	}
	if len(runs) == 0 {
		return engine.NotThere[engine.HostedRun]()
	}
	newest := slices.MaxFunc(runs, func(a, b engine.HostedRun) int {
		switch {
		case a.Active() == b.Active():
			return a.Since.Compare(b.Since)
		case a.Active():
			return 1
		}
		return -1
	})
	// Kubernetes takes a second or two to see that a pod has ended.
	if rec := engine.ReadHosted(ctx, c); rec.Is() && rec.Value.UID == newest.UID && rec.Value.Outcome != nil {
		newest.Over = true
	}
	return engine.Found(newest)
}

// letEnd waits until the pod of an engine that is over has ended: the last
// thing it does is to remove what the next one needs.
func (c *Client) letEnd(ctx context.Context, job string) error {
	return c.waitFor(ctx, "the engine before to end", func(ctx context.Context) (string, error) {
		live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, job, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		if done, _ := finished(live); done || live.DeletionTimestamp != nil {
			return "", nil
		}
		pods, err := c.jobPods(ctx, job)
		if err != nil || len(pods) == 0 || slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !over(p, engineContainer) }) {
			return "its pod has not ended", err
		}
		return "", c.discard(ctx, job) // others keep its pod
	})
}

// EngineOf reads the engine whose Job has this name.
func (c *Client) EngineOf(ctx context.Context, job string) (engine.HostedRun, error) {
	live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, job, metav1.GetOptions{})
	if err != nil {
		return engine.HostedRun{}, fmt.Errorf("read Job %s: %w", job, err)
	}
	return engineRun(*live), nil
}

func engineRun(job batchv1.Job) engine.HostedRun {
	over, failed := finished(&job)
	since := job.CreationTimestamp.UTC()
	run := engine.HostedRun{
		Job: job.Name, UID: string(job.UID), Plan: job.Labels[labelEngine], SpecDigest: job.Annotations[annotSpec], By: job.Annotations[annotBy],
		Since: since, Deadline: since, Failed: int(job.Status.Failed), Over: over || job.DeletionTimestamp != nil, GaveUp: failed,
	}
	// A Job whose deadline somebody garbled has none left: it goes back.
	if d, err := time.ParseDuration(job.Annotations[annotDeadline]); err == nil {
		run.Deadline = since.Add(d)
	}
	return run
}

// referenceKey names what a reference of the submitter pointed at.
func referenceKey(ref spec.SecretRef) string {
	sum := sha256.Sum256([]byte(ref.String()))
	return "ref-" + hex.EncodeToString(sum[:8])
}

// fromSubmitter reads what a reference pointed at where the work was
// submitted.
func (c *Client) fromSubmitter(ref spec.SecretRef) (secret, error) {
	content, err := os.ReadFile(filepath.Join(c.options.Told, referenceKey(ref)))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s was not there where the apply was submitted", ref)
	case err != nil:
		return nil, fmt.Errorf("read what the submitter sent for %s: %w", ref, err)
	case len(content) == 0:
		return nil, fmt.Errorf("%s was empty where the apply was submitted", ref)
	}
	return content, nil
}

// Forbidden tells whether the cluster refused a request for want of rights.
func Forbidden(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }
