package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// errGone means the Job went away while it was followed.
var errGone = errors.New("the Job was deleted while it was followed")

// Run starts a mover Job or adopts the one of its name, follows it and
// returns its result. Cancelling ctx ends the following, not the Job.
func (c *Client) Run(ctx context.Context, job server.MoverJob, progress mover.Progress) (json.RawMessage, error) {
	if problems := validation.IsDNS1123Label(job.Name); len(problems) > 0 {
		return nil, fmt.Errorf("run Job %q: %s", job.Name, problems[0])
	}
	request, files, err := moverFiles(job)
	if err != nil {
		return nil, fmt.Errorf("run Job %s: %w", job.Name, err)
	}
	digest, err := requestDigest(request, files)
	if err != nil {
		return nil, fmt.Errorf("run Job %s: %w", job.Name, err)
	}
	if progress == nil {
		progress = func(mover.Event) {}
	}
	result, err := c.runUntilAnswered(ctx, func() (json.RawMessage, error) {
		return c.runOnce(ctx, job, request, files, digest, progress)
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = context.Cause(ctx) // which call was on its way says nothing
	}
	if err != nil {
		return nil, fmt.Errorf("run Job %s: %w", job.Name, err)
	}
	return result, nil
}

// runUntilAnswered starts over when the Job went away under our eyes (another
// run that followed it may have read its result and deleted it) or the API
// server did: whatever was begun is found by its name.
func (c *Client) runUntilAnswered(ctx context.Context, once func() (json.RawMessage, error)) (json.RawMessage, error) {
	begun, lost := time.Now(), 0
	for {
		result, err := once()
		if errors.Is(err, errGone) {
			lost++
		}
		again := errors.Is(err, errGone) && lost < 3 || transient(err) && time.Since(begun) < c.patience.settle
		if !again || ctx.Err() != nil {
			return result, err
		}
		if err := process.Pause(ctx, c.patience.reconnect); err != nil {
			return nil, err
		}
	}
}

func (c *Client) runOnce(ctx context.Context, job server.MoverJob, request mover.Request, files []moverFile, digest string, progress mover.Progress) (json.RawMessage, error) {
	live, err := c.adopt(ctx, job.Name, digest)
	if err != nil {
		return nil, err
	}
	adopted := live != nil
	if !adopted {
		if live, err = c.start(ctx, job, request, files, digest); err != nil {
			return nil, err
		}
	}
	f := c.follower(live, moverContainer, progress)
	last, err := f.follow(ctx)
	var stuck *stuckError
	var dead *deadError
	switch {
	case errors.As(err, &stuck):
		// It must not start later, when nobody expects it any more.
		return nil, withTrouble(err, "removing the Job", c.cleanup(ctx, job.Name))
	case adopted && errors.Is(err, errNoResult):
		// Its log was thrown away. Every request may be run again.
		return nil, withTrouble(errGone, "removing the Job", c.cleanup(ctx, job.Name))
	case (errors.As(err, &dead) || errors.Is(err, errNoResult)) && f.accompanied():
		return nil, withTrouble(err, "removing the Job", c.discard(ctx, job.Name))
	case errors.As(err, &dead):
		return nil, withTrouble(err, "removing its Secret", c.removeJobSecret(ctx, job.Name))
	case err != nil:
		return nil, err
	}
	// Nobody but us ends a pod in which another container goes on.
	job.Keep = job.Keep && !f.accompanied()
	return c.conclude(ctx, job, last)
}

// adopt finds the Job of that name that can be followed: one that runs or is
// complete and was asked the same. One that failed or was asked something
// else and is over is removed; nil means there is none.
func (c *Client) adopt(ctx context.Context, name, digest string) (*batchv1.Job, error) {
	live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, c.waitForPods(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the Job: %w", err)
	}
	if !isOurs(live.ObjectMeta) {
		return nil, fmt.Errorf("a Job of that name exists that %s did not make; remove it", manager)
	}
	same := live.Annotations[annotRequest] == digest
	over, failed := finished(live)
	switch {
	case live.DeletionTimestamp != nil, over && failed, over && !same:
		return nil, c.Stop(ctx, name)
	case !same:
		return nil, errors.New("a Job of that name runs with another request; wait for it or stop it")
	}
	return live, c.bindSecret(ctx, live)
}

// start makes the Job's Secret, the Job, and ties the one to the other, in
// this order: a Job without its Secret would hang, a Secret without its Job
// is found by the next run.
func (c *Client) start(ctx context.Context, job server.MoverJob, request mover.Request, files []moverFile, digest string) (*batchv1.Job, error) {
	shape, err := c.shape(ctx)
	if err != nil {
		return nil, err
	}
	manifest, err := c.manifest(job, files, digest, shape)
	if err != nil {
		return nil, err
	}
	if job.Stand != nil {
		if err := c.standIn(ctx, &manifest.Spec.Template, job.Name, *job.Stand); err != nil {
			return nil, fmt.Errorf("stand in the place of %s: %w", job.Stand.Workload, err)
		}
		manifest.Spec.TTLSecondsAfterFinished = pointer[int32](5 * 60) // one that a killed run left behind
	}
	c.sweepOnce(ctx)
	if err := c.putJobSecret(ctx, job.Name, request, files); err != nil {
		return nil, err
	}
	live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Create(ctx, manifest, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("somebody else made the Job just now: %w", errGone)
	}
	if err != nil {
		return nil, refusedJob(err, "create the Job")
	}
	return live, c.bindSecret(ctx, live)
}

// shape is how our pods are shaped: the spec's mover block over what the
// release's own global values say.
func (c *Client) shape(ctx context.Context) (spec.Mover, error) {
	if c.options.Defaults == nil {
		return c.options.Mover, nil
	}
	defaults, err := c.options.Defaults(ctx)
	if err != nil {
		return spec.Mover{}, fmt.Errorf("read the release's defaults for mover pods: %w", err)
	}
	return merged(c.options.Mover, defaults), nil
}

// conclude turns the last line into the result and cleans up.
func (c *Client) conclude(ctx context.Context, job server.MoverJob, last mover.Event) (json.RawMessage, error) {
	var err error
	if job.Keep {
		// The password has done its work; the Job and its log may stay.
		err = c.removeJobSecret(ctx, job.Name)
	} else {
		err = c.discard(ctx, job.Name)
	}
	if last.Error != "" {
		failure := &mover.Error{Code: orElse(last.Code, mover.CodeFailed), Side: last.Side, Err: errors.New(last.Error)}
		return nil, withTrouble(failure, "cleaning up", err)
	}
	if err != nil {
		// The result counts; what stayed behind is removed by its time to live.
		c.log.WarnContext(ctx, "clean up after a mover", "job", job.Name, "error", err)
	}
	return last.Result, nil
}

// withTrouble adds what went wrong afterwards as text only: it must not
// change what kind of error the first one is.
func withTrouble(err error, what string, trouble error) error {
	if trouble == nil {
		return err
	}
	return fmt.Errorf("%w; %s failed too: %v", err, what, trouble) //nolint:errorlint // on purpose
}

// discard deletes a Job that is over, without waiting: nothing of it runs.
func (c *Client) discard(ctx context.Context, name string) error {
	background := metav1.DeletePropagationBackground
	err := c.kube.BatchV1().Jobs(c.options.Namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Job %s: %w", name, err)
	}
	return c.removeJobSecret(ctx, name)
}

// cleanupTime is for removing a Job that must not start any more.
const cleanupTime = time.Minute

// cleanup stops the Job even when the caller's context has ended.
func (c *Client) cleanup(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	return c.Stop(ctx, name)
}

// Stop deletes the Job and waits until it and its pods are gone.
func (c *Client) Stop(ctx context.Context, name string) error {
	jobs := c.kube.BatchV1().Jobs(c.options.Namespace)
	live, err := jobs.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return c.waitForPods(ctx, name)
	case err != nil:
		return fmt.Errorf("stop Job %s: %w", name, err)
	case !isOurs(live.ObjectMeta):
		return fmt.Errorf("stop Job %s: %s did not make it", name, manager)
	}
	foreground := metav1.DeletePropagationForeground
	err = jobs.Delete(ctx, name, metav1.DeleteOptions{
		PropagationPolicy: &foreground, Preconditions: metav1.NewUIDPreconditions(string(live.UID)),
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("stop Job %s: %w", name, err)
	}
	if err := c.waitForPods(ctx, name); err != nil {
		return err
	}
	return c.removeJobSecret(ctx, name)
}

// waitForPods waits until neither the Job under deletion nor a pod of it is
// left.
func (c *Client) waitForPods(ctx context.Context, name string) error {
	return c.waitFor(ctx, "Job "+name+" to go", func(ctx context.Context) (string, error) {
		live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && live.DeletionTimestamp != nil {
			return "the Job is still there", nil
		}
		if err == nil || !apierrors.IsNotFound(err) {
			return "", err
		}
		pods, err := c.jobPods(ctx, name)
		return podNames(pods), err
	})
}

func (c *Client) jobPods(ctx context.Context, name string) ([]corev1.Pod, error) {
	pods, err := all[corev1.Pod](ctx, batchv1.JobNameLabel+"="+name, listOf(c.kube.CoreV1().Pods(c.options.Namespace).List))
	return pods, describe(err, "list the Job's pods")
}

// finished reads the Job's own verdict; nothing else counts as one.
func finished(job *batchv1.Job) (over, failed bool) {
	for _, condition := range job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			return true, false
		case batchv1.JobFailed:
			return true, true
		default: // it is suspended or about to end
		}
	}
	return false, false
}
