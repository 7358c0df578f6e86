package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// follower follows one Job from its first pod to its verdict.
type follower struct {
	client   *Client
	job      *batchv1.Job
	progress mover.Progress
	// pod is the pod whose log is being read; a new pod numbers its lines
	// from the beginning.
	pod  corev1.Pod
	log  moverLog
	wait startWait
	// container is the one whose log counts.
	container string
	// drained tells that the pod had ended when its log was read to the end;
	// died hears of one that did so without an outcome, and may be nil.
	drained bool
	died    func(why string)
	// held is since when only other containers keep the pod; free ends such a
	// pod where a next one goes on, and may be nil.
	held time.Time
	free func(ctx context.Context, pod corev1.Pod) error
	// idle is the last wait between two looks that showed nothing new.
	idle time.Duration
	// failure is the Job's condition once it has failed.
	failure batchv1.JobCondition
}

func (c *Client) follower(job *batchv1.Job, container string, progress mover.Progress) *follower {
	return &follower{client: c, job: job, progress: progress, container: container, wait: startWait{patience: c.patience}}
}

// follow returns the last line of a Job that came to its end. Either the mover
// says so itself, with a result, which is the last thing it does, or the Job's
// own condition does, or the mover's container has ended and others keep its
// pod; a log that ends says nothing. The result is not kept waiting for the
// condition: that takes a second or two of the downtime. An API server that is
// away is waited for, but not for ever.
func (f *follower) follow(ctx context.Context) (mover.Event, error) {
	c := f.client
	ctx, cancel := f.inTime(ctx)
	defer cancel()
	answered := time.Now() // when the API server last answered
	for {
		done, failed, err := f.look(ctx)
		if err == nil {
			answered = time.Now()
		}
		switch {
		case err == nil && done:
			return f.verdict(ctx, failed)
		case err == nil:
			if err = f.step(ctx); err == nil {
				answered = time.Now() // it may have read a log for hours
			}
		}
		if err == nil && len(f.log.last.Result) > 0 {
			return f.log.last, nil
		}
		if err == nil && f.keptByOthers() {
			if f.free == nil || f.log.ended {
				return f.lastWord()
			}
			err = f.release(ctx)
		}
		if err != nil && (!transient(err) || time.Since(answered) > c.patience.settle) {
			return mover.Event{}, err
		}
		if err := process.Pause(ctx, f.pace(err)); err != nil {
			return mover.Event{}, err
		}
	}
}

// inTime gives the following of a Job that has a deadline the same one, and a
// little more: only the cluster's controllers end a Job, and they may be away too.
func (f *follower) inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	seconds := f.job.Spec.ActiveDeadlineSeconds
	if seconds == nil {
		return context.WithCancel(ctx)
	}
	limit := time.Duration(*seconds) * time.Second
	overdue := fmt.Errorf("its deadline of %s has passed and nothing ended it; look whether the cluster's controllers run (kubectl get job -n %s %s)", limit, f.job.Namespace, f.job.Name)
	return context.WithTimeoutCause(ctx, limit+f.client.patience.settle, overdue)
}

// pace is how long to wait for the next look: little at first, so that a
// short run is not slower than its pod, and more as nothing happens.
func (f *follower) pace(err error) time.Duration {
	if err != nil {
		return f.client.patience.reconnect
	}
	f.idle = min(max(f.idle*3/2, f.client.patience.look/2), 4*f.client.patience.look)
	return f.idle
}

// look reads the Job and its newest pod.
func (f *follower) look(ctx context.Context) (done, failed bool, err error) {
	live, err := f.client.kube.BatchV1().Jobs(f.client.options.Namespace).Get(ctx, f.job.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && live.UID != f.job.UID {
		return false, false, errGone
	}
	if err != nil {
		return false, false, describe(err, "read the Job")
	}
	pods, err := f.client.jobPods(ctx, f.job.Name)
	if err != nil {
		return false, false, err
	}
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool {
		owner := metav1.GetControllerOf(&p)
		return owner == nil || owner.UID != f.job.UID
	})
	if len(pods) > 0 {
		newest := slices.MaxFunc(pods, func(a, b corev1.Pod) int {
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
		})
		if newest.UID != f.pod.UID {
			f.log, f.wait, f.drained = moverLog{progress: f.progress}, startWait{patience: f.client.patience}, false
			f.held = time.Time{}
		}
		f.pod = newest
	}
	done, failed = finished(live)
	for _, condition := range live.Status.Conditions {
		if condition.Type == batchv1.JobFailed {
			f.failure = condition
		}
	}
	return done, failed, nil
}

// step reads the pod's log if it has one, else looks why it has not started.
func (f *follower) step(ctx context.Context) error {
	if f.log.ended || f.drained {
		return nil // only the Job's verdict is missing, or its next pod
	}
	if f.started() {
		f.idle = 0
		err := f.read(ctx)
		if f.drained = err == nil && over(f.pod, f.container); f.drained && !f.log.ended && f.died != nil {
			f.died(f.deathOf().Error())
		}
		return err
	}
	reason, kind := f.client.whyNotStarted(ctx, f.job, f.pod)
	now := time.Now()
	err := f.wait.check(now, reason, kind)
	if err == nil && now.Sub(f.wait.since) >= slowStart && f.progress != nil {
		f.progress(mover.Event{At: now.UTC(), Phase: "waiting", Message: reason})
	}
	return err
}

// slowStart is how long a pod may take to start before anybody is told why.
const slowStart = 5 * time.Second

// started tells whether the container has run, so that it has a log.
func (f *follower) started() bool {
	state := stateIn(f.pod, f.container)
	return state.Running != nil || state.Terminated != nil
}

// stateIn is the state of one container of a pod.
func stateIn(pod corev1.Pod, container string) corev1.ContainerState {
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container {
			return s.State
		}
	}
	return corev1.ContainerState{}
}

// over tells whether nothing comes any more of a container.
func over(pod corev1.Pod, container string) bool {
	return ended(pod) || stateIn(pod, container).Terminated != nil
}

func ended(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// read follows the log from where it was left. The stream is cut when the pod
// has ended or gone and the stream has not noticed.
func (f *follower) read(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	options := &corev1.PodLogOptions{Container: f.container, Follow: true, Timestamps: true}
	if !f.log.since.IsZero() {
		since := metav1.NewTime(f.log.since)
		options.SinceTime = &since // whole seconds: some lines come again and are dropped
	}
	// The pod may be another by the time it begins; and it begins first, for a
	// server that says nothing may do so already when it is asked for the log.
	go f.watch(ctx, cancel, f.pod.Name, f.pod.UID)
	stream, err := f.client.kube.CoreV1().Pods(f.client.options.Namespace).GetLogs(f.pod.Name, options).Stream(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return unlessEnded(cause)
	}
	if noLog(err) {
		return nil // the next look says what became of it
	}
	if err != nil {
		return describe(err, "read the log of pod "+f.pod.Name)
	}
	defer stream.Close() //nolint:errcheck // only read
	err = f.log.read(stream)
	if cause := context.Cause(ctx); cause != nil {
		return unlessEnded(cause)
	}
	if err != nil {
		f.client.log.DebugContext(ctx, "the log stream broke", "pod", f.pod.Name, "error", err)
	}
	return nil
}

var errPodEnded = errors.New("the pod has ended")

// unlessEnded is why a log was not read any further; that its pod has ended is no
// error.
func unlessEnded(cause error) error {
	if errors.Is(cause, errPodEnded) {
		return nil
	}
	return cause
}

// watch ends a log stream that outlives its pod, for a lost node does not close
// it, or its API server: a stream has no limit of its own.
func (f *follower) watch(ctx context.Context, cancel context.CancelCauseFunc, name string, uid types.UID) {
	last, answered := false, time.Now()
	for process.Pause(ctx, 10*f.client.patience.look) == nil {
		if last {
			cancel(errPodEnded) // it had a whole turn to deliver its last lines
			return
		}
		pod, err := f.client.kube.CoreV1().Pods(f.client.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case !transient(err):
			answered = time.Now()
		case time.Since(answered) > f.client.patience.settle:
			cancel(silence{f.client.patience.settle})
			return
		}
		last = apierrors.IsNotFound(err) || err == nil && (pod.UID != uid || over(*pod, f.container))
	}
}

// verdict reads the rest of the log and matches it with the Job's condition.
func (f *follower) verdict(ctx context.Context, failed bool) (mover.Event, error) {
	for tries := 0; !f.log.ended && f.started() && tries < 3; tries++ {
		if err := f.read(ctx); err != nil && !transient(err) {
			return mover.Event{}, err
		}
		if !f.log.ended {
			if err := process.Pause(ctx, f.client.patience.look); err != nil {
				return mover.Event{}, err
			}
		}
	}
	last := f.log.last
	switch {
	case last.Error != "":
		return last, nil
	case failed:
		return last, &deadError{fmt.Errorf("%w; kubectl logs -n %s job/%s may tell more", f.deathOf(), f.client.options.Namespace, f.job.Name)}
	case len(last.Result) == 0:
		return last, errNoResult
	}
	return last, nil
}

// errNoResult means a Job is complete and its log is gone or cut.
var errNoResult = errors.New("the Job is complete, but its log holds no result")

// deadError means a mover died without a word; its Job stays for a look.
type deadError struct{ error }

func (e *deadError) Unwrap() error { return e.error }
