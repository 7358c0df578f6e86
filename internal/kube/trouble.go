package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// trouble says in one line why pods do not become ready, or "". It quotes
// Kubernetes, never a container's own last words: those may hold a password.
func trouble(pods []corev1.Pod) string {
	for _, p := range pods {
		if text := podTrouble(p); text != "" {
			return text
		}
	}
	return ""
}

func podTrouble(p corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + firstLine(c.Message)
		}
	}
	for _, s := range append(p.Status.InitContainerStatuses[:len(p.Status.InitContainerStatuses):len(p.Status.InitContainerStatuses)], p.Status.ContainerStatuses...) {
		if w := s.State.Waiting; w != nil && !ordinary(w.Reason) {
			return waitingText(s, *w)
		}
	}
	return ""
}

// ordinary are the reasons every starting container goes through.
func ordinary(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}

func waitingText(s corev1.ContainerStatus, w corev1.ContainerStateWaiting) string {
	text := fmt.Sprintf("%s: container %s", w.Reason, s.Name)
	if last := s.LastTerminationState.Terminated; last != nil {
		return fmt.Sprintf("%s ended with %s, exit code %d, %d restarts", text, last.Reason, last.ExitCode, s.RestartCount)
	}
	if w.Message == "" {
		return text
	}
	return text + ": " + firstLine(w.Message)
}

// firstLine keeps a message of Kubernetes to one line of a length that can be
// read. What an admission rule wants stands at the end of a long one.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	const limit = 600
	if runes := []rune(line); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return line
}
