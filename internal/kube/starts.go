package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Redactor takes secrets out of what containers and probes said. The function it
// gives knows every secret that can be read; an error means that it does not.
type Redactor func(ctx context.Context) (func(text string) string, error)

// How much of a container's log is shown, and how long asking may take: it is
// asked while an application is down, and by somebody who may press Ctrl-C.
const (
	ailingTime   = 6 * time.Second
	ailingLines  = 5
	ailingWidth  = 300
	ailingTail   = 20
	ailingBytes  = 64 << 10
	ailingAtOnce = 4
)

// Ailing explains the worst pod of each of these workloads that is not ready.
func (c *Client) Ailing(ctx context.Context, keys []string) engine.Observed[[]engine.Ailment] {
	ctx, cancel := context.WithTimeoutCause(ctx, ailingTime, fmt.Errorf("no answer within %s", ailingTime))
	defer cancel()
	found, _, err := c.layer(ctx)
	if err != nil {
		return engine.CouldNot[[]engine.Ailment](err)
	}
	pods, err := all[corev1.Pod](ctx, "", listOf(c.kube.CoreV1().Pods(c.options.Namespace).List))
	if err != nil {
		return engine.CouldNot[[]engine.Ailment](fmt.Errorf("list pods: %w", err))
	}
	var sick []patient
	for _, w := range found {
		if !slices.Contains(keys, w.key()) {
			continue
		}
		mine, err := podsOf(w, pods)
		if err != nil {
			return engine.CouldNot[[]engine.Ailment](err)
		}
		if p, ok := worst(w, mine); ok {
			sick = append(sick, p)
		}
	}
	if len(sick) == 0 {
		return engine.NotThere[[]engine.Ailment]()
	}
	return engine.Found(c.examine(ctx, sick))
}

// patient is a pod that is not ready, and what its status says about it.
type patient struct {
	pod     corev1.Pod
	ailment engine.Ailment
	rank    int
	// logged tells that the container ran, running that it runs.
	logged, running bool
	// told is what Kubernetes says about why its container waits.
	told string
}

// The ranks of what can be wrong with a pod: how sure it is that it will not get
// ready by itself.
const (
	rankStarting = iota
	rankRestarted
	rankStuck
)

// worst gives the pod of a workload that is worst off, false when all are ready.
func worst(w workload, pods []corev1.Pod) (patient, bool) {
	best, found, live := patient{}, false, 0
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		live++
		if isReady(p) {
			continue
		}
		if now := diagnose(w, p); !found || now.rank > best.rank {
			best, found = now, true
		}
	}
	if live == 0 && w.count() > 0 {
		a := engine.Ailment{Workload: w.key(), Condition: "no pod was made for it yet", Reason: "NoPod", Hopeful: true}
		if w.refused != "" {
			a.Condition, a.Reason, a.Hopeful = w.refused, "ReplicaFailure", false
		}
		return patient{ailment: a}, true
	}
	return best, found
}

func isReady(p corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// diagnose says what a pod that is not ready waits for. Init containers come
// first: one that waits for a database never lets the others begin.
func diagnose(w workload, p corev1.Pod) patient {
	out := patient{pod: p, ailment: engine.Ailment{Workload: w.key(), Pod: p.Name, Condition: "is " + string(p.Status.Phase), Reason: string(p.Status.Phase), Hopeful: true}}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			out.rank, out.ailment.Condition, out.ailment.Reason, out.ailment.Hopeful = rankStuck, c.Reason+": "+firstLine(c.Message), c.Reason, false
			return out
		}
	}
	for _, s := range p.Status.InitContainerStatuses {
		if t := s.State.Terminated; t != nil && t.ExitCode == 0 || s.Ready {
			continue
		}
		return out.of(s)
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Ready {
			continue
		}
		if now := out.of(s); out.ailment.Container == "" || now.rank > out.rank {
			out = now
		}
	}
	return out
}

// of is the patient as one of its containers makes it.
func (p patient) of(s corev1.ContainerStatus) patient {
	last := s.LastTerminationState.Terminated
	p.logged, p.running = s.State.Running != nil || s.State.Terminated != nil || last != nil, s.State.Running != nil
	a := &p.ailment
	a.Container, a.Restarts = s.Name, int(s.RestartCount)
	switch waiting, ended := s.State.Waiting, s.State.Terminated; {
	case waiting != nil && !ordinary(waiting.Reason):
		p.rank, a.Reason, a.Condition = rankStuck, waiting.Reason, waiting.Reason
		if last != nil {
			a.Condition += fmt.Sprintf(": ended with %s, exit code %d", last.Reason, last.ExitCode)
		} else if waiting.Message != "" {
			p.told = firstLine(waiting.Message)
		}
	case ended != nil:
		p.rank, a.Reason, a.Condition = rankStuck, ended.Reason, fmt.Sprintf("ended with %s, exit code %d", ended.Reason, ended.ExitCode)
	case s.State.Running != nil:
		p.rank, a.Reason, a.Condition = rankStarting, "Running", "running, not ready"
	case waiting != nil && waiting.Reason != "":
		p.rank, a.Reason, a.Condition = rankStarting, waiting.Reason, waiting.Reason
	default:
		p.rank, a.Reason, a.Condition = rankStarting, "Waiting", "not started yet"
	}
	if p.rank == rankStarting && s.RestartCount > 0 {
		p.rank = rankRestarted
	}
	a.Hopeful = p.rank == rankStarting
	return p
}

// examine adds to each what events and its log say, without secrets.
func (c *Client) examine(ctx context.Context, sick []patient) []engine.Ailment {
	hide, blind := c.redactor(ctx)
	out := make([]engine.Ailment, len(sick))
	var group errgroup.Group
	group.SetLimit(ailingAtOnce)
	for i, p := range sick {
		group.Go(func() error {
			out[i] = c.heard(ctx, p, hide, blind)
			return nil
		})
	}
	_ = group.Wait() // none of them gives an error
	return out
}

func (c *Client) redactor(ctx context.Context) (func(string) string, error) {
	if c.options.Redactor == nil {
		return nil, errors.New("nothing here can take secrets out of it")
	}
	return c.options.Redactor(ctx)
}

func (c *Client) heard(ctx context.Context, p patient, hide func(string) string, blind error) engine.Ailment {
	a := p.ailment
	if blind != nil {
		if p.logged {
			a.NoLog = "not every secret is known that would have to be taken out of it: " + blind.Error()
		}
		return a
	}
	if p.told != "" { // it may quote arguments
		a.Condition += ": " + p.told
	}
	a.Condition = hide(a.Condition)
	if message := c.complaint(ctx, p); message != "" {
		a.Condition += "; " + hide(message)
		a.Hopeful = a.Hopeful && p.running // a probe that fails may yet succeed, a mount hardly
	}
	if !p.logged {
		return a
	}
	lines, err := c.lastLines(ctx, p, hide, false)
	if err == nil && len(lines) == 0 && p.running && a.Restarts > 0 {
		lines, err = c.lastLines(ctx, p, hide, true)
	}
	if err != nil {
		a.NoLog = "it could not be read: " + hide(firstLine(err.Error()))
	}
	a.Log = lines
	return a
}

// complaint is the newest event that says why a container does not begin or is
// not ready.
func (c *Client) complaint(ctx context.Context, p patient) string {
	switch {
	case p.running:
		return c.warning(ctx, string(p.pod.UID), "Unhealthy")
	case p.pod.UID != "" && !p.logged:
		return c.warning(ctx, string(p.pod.UID), "FailedMount")
	}
	return ""
}

// lastLines gives the end of a container's log. Secrets are taken out of the
// whole of it before it is cut, for half a secret is not recognised.
func (c *Client) lastLines(ctx context.Context, p patient, hide func(string) string, previous bool) ([]string, error) {
	tail, limit := int64(ailingTail), int64(ailingBytes)
	log, err := c.kube.CoreV1().Pods(c.options.Namespace).GetLogs(p.pod.Name, &corev1.PodLogOptions{
		Container: p.ailment.Container, Previous: previous, TailLines: &tail, LimitBytes: &limit,
	}).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	text := string(log)
	if len(log) >= ailingBytes { // the limit cut the last line
		text = text[:strings.LastIndexByte(text, '\n')+1]
	}
	var out []string
	for line := range strings.Lines(hide(text)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, cutLine(line))
		}
	}
	return out[max(0, len(out)-ailingLines):], nil
}

func cutLine(line string) string {
	if runes := []rune(line); len(runes) > ailingWidth {
		return string(runes[:ailingWidth]) + "…"
	}
	return line
}
