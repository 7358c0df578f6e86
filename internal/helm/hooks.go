package helm

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// hookEvents are those that run in a move: with its upgrade, or with the way
// back from it.
var hookEvents = []release.HookEvent{release.HookPreUpgrade, release.HookPostUpgrade, release.HookPreRollback, release.HookPostRollback}

// hooksOf lists the hooks of a move, by the order in which they stand.
func hooksOf(all rendered) []server.Hook {
	var out []server.Hook
	app := applicationNames(all.manifest)
	for _, h := range all.hooks {
		found := server.Hook{Kind: h.Kind, Name: h.Name, Calls: app.calledBy(h.Manifest)}
		for _, e := range h.Events {
			if slices.Contains(hookEvents, e) {
				found.Events = append(found.Events, string(e))
			}
		}
		if len(found.Events) > 0 {
			out = append(out, found)
		}
	}
	return out
}

// names are objects through which the application is spoken to, by what finds
// that in a command.
type names map[string]*regexp.Regexp

// applicationNames are the application's workloads and the Services that select
// their pods.
func applicationNames(manifest string) names {
	docs, err := parse(manifest)
	if err != nil {
		return nil // it was parsed before
	}
	out := names{}
	var pods []map[string]any
	for _, d := range docs {
		if isApplication(d.object) && d.kind() != kindCronJob {
			labels, _ := server.ValueAt(d.object, "spec", "template", "metadata", "labels").(map[string]any)
			pods = append(pods, labels)
			out[d.ref()] = waited(d.kind(), d.name())
		}
	}
	for _, d := range docs {
		selector, _ := server.ValueAt(d.object, "spec", "selector").(map[string]any)
		if d.kind() == "Service" && len(selector) > 0 && slices.ContainsFunc(pods, func(labels map[string]any) bool { return selects(selector, labels) }) {
			out[d.ref()] = addressed(d.name())
		}
	}
	return out
}

func selects(selector, labels map[string]any) bool {
	for name, want := range selector {
		if labels[name] != want {
			return false
		}
	}
	return true
}

// addressed finds a Service where it is connected to: after a scheme or bash's
// /dev/tcp, or before a port. The bare word may be anything.
func addressed(name string) *regexp.Regexp {
	host := regexp.QuoteMeta(name) + `(\.[a-z0-9-]+(\.svc(\.[a-z0-9.-]+)?)?)?`
	return regexp.MustCompile(`(://|/dev/tcp/)` + host + `([/:?\s"')]|$)|(^|[\s"'=(,])` + host + `(:[0-9]{2,5}\b|\s+[0-9]{2,5}\b)`)
}

// waited finds a workload that kubectl is told to wait for.
func waited(kind, name string) *regexp.Regexp {
	short := map[string]string{"Deployment": "deploy(ments?)?(\\.apps)?", "StatefulSet": "(sts|statefulsets?)(\\.apps)?"}[kind]
	return regexp.MustCompile(`(rollout\s+status|\bwait\b).*\b` + short + `[/\s]` + regexp.QuoteMeta(name) + `\b`)
}

// calledBy names what the commands of a hook speak to. Variables are left out:
// hooks often share those of the application without using them.
func (n names) calledBy(manifest string) []string {
	docs, err := parse(manifest)
	if err != nil {
		return nil
	}
	var commands []string
	for _, d := range docs {
		for path, v := range flatten(d.object) {
			if strings.Contains(path, ".command[") || strings.Contains(path, ".args[") {
				commands = append(commands, show(v))
			}
		}
	}
	var out []string
	for ref, pattern := range n {
		if slices.ContainsFunc(commands, pattern.MatchString) {
			out = append(out, ref)
		}
	}
	slices.Sort(out)
	return out
}

// hookTrouble names the hook that an operation failed at, with the last line of
// its log; "" when it did not fail at one.
func (c *Client) hookTrouble(ctx context.Context, s *operation, cause error) string {
	if !strings.Contains(cause.Error(), "hook") {
		return ""
	}
	rel, err := s.Releases.Last(c.opts.Release)
	if err != nil {
		return ""
	}
	for _, h := range rel.Hooks {
		if h.LastRun.Phase != release.HookPhaseFailed && h.LastRun.Phase != release.HookPhaseRunning || h.LastRun.StartedAt.Before(rel.Info.LastDeployed) {
			continue
		}
		text := fmt.Sprintf("hook %s/%s did not succeed", h.Kind, h.Name)
		if took := h.LastRun.CompletedAt.Sub(h.LastRun.StartedAt); h.LastRun.CompletedAt.After(h.LastRun.StartedAt) {
			text += " within " + took.Round(time.Second).String()
		}
		if line := c.lastLine(ctx, s, *h); line != "" {
			text += "; its log ends with: " + line
		}
		return text
	}
	return ""
}

// lastLine is the end of a hook's log, "" where it cannot be read: it only
// explains.
func (c *Client) lastLine(ctx context.Context, s *operation, h release.Hook) string {
	if s.RESTClientGetter == nil {
		return ""
	}
	config, err := s.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return ""
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return ""
	}
	return logEnd(ctx, client, c.opts.Namespace, h)
}

// logTime is for the last line of a hook's log, which only explains.
const logTime = 10 * time.Second

// logEnd reads the last line of a hook's newest pod.
func logEnd(ctx context.Context, client kubernetes.Interface, namespace string, h release.Hook) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTime) // an interruption is told too
	defer cancel()
	pod := h.Name
	if h.Kind != "Pod" {
		list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + h.Name})
		if err != nil || len(list.Items) == 0 {
			return ""
		}
		pod = slices.MaxFunc(list.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) }).Name
	}
	lines, limit := int64(1), int64(2048)
	stream, err := client.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: &limit}).Stream(ctx)
	if err != nil {
		return ""
	}
	defer stream.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(stream, limit))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
