package server

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Workload is one Deployment, StatefulSet or CronJob with layer=application. A
// CronJob counts as one replica that is ready, and as none while it is
// suspended; the pods of its Jobs are not among its own.
type Workload struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	// Pods are pods that exist, terminating ones included.
	Pods int `json:"pods"`
	// Recorded is the count our annotation remembers, nil without one.
	Recorded   *int   `json:"recorded,omitempty"`
	Autoscaler string `json:"autoscaler,omitempty"`
	// Texts are what its pod template says, and the ConfigMaps and Secrets that
	// it uses; only Workloads.Application reads them.
	Texts Texts `json:"-"`
	// Trouble says why pods do not become ready (ImagePullBackOff …).
	Trouble string `json:"trouble,omitempty"`
}

// Key names a workload inside its namespace.
func (w Workload) Key() string { return w.Kind + "/" + w.Name }

// KindCronJob is the kind of what starts pods by the clock.
const KindCronJob = "CronJob"

// IsCronJob tells by its key whether a workload is one.
func IsCronJob(key string) bool { return strings.HasPrefix(key, KindCronJob+"/") }

// AsItIs says of a workload how much of it is there.
func (w Workload) AsItIs() string {
	switch {
	case w.Kind == KindCronJob && w.Replicas == 0:
		return w.Key() + " is suspended"
	case w.Kind == KindCronJob:
		return w.Key() + " is not suspended"
	}
	return fmt.Sprintf("%s has %d replicas and %d pods", w.Key(), w.Replicas, w.Pods)
}

// CountsOf are the replicas of each workload (Workload.Key) as they are when the
// application is up, and the same in words, in the order of the keys.
func CountsOf(ws []Workload) (counts map[string]int, text []string) {
	counts = map[string]int{}
	for _, w := range ws {
		n := w.Replicas
		if w.Recorded != nil && n == 0 { // stopped by us once; a live count is the truth
			n = *w.Recorded
		}
		counts[w.Key()] = n
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		_, name, _ := strings.Cut(key, "/")
		switch {
		case IsCronJob(key) && counts[key] == 0:
			text = append(text, key+" suspended")
		case IsCronJob(key):
			text = append(text, key)
		default:
			text = append(text, name+" "+strconv.Itoa(counts[key]))
		}
	}
	return counts, text
}

// Stopped tells whether no workload wants a pod or has one.
func Stopped(ws []Workload) bool {
	for _, w := range ws {
		if w.Replicas != 0 || w.Pods != 0 {
			return false
		}
	}
	return true
}

// AtRecorded tells whether every workload runs at its recorded count. An
// autoscaled one only has to be up: its autoscaler moves it.
func AtRecorded(ws []Workload, want map[string]int) bool {
	for _, w := range ws {
		n, ok := want[w.Key()]
		switch {
		case !ok:
		case w.Autoscaler != "" && n > 0:
			if w.Replicas == 0 || w.Ready < w.Replicas {
				return false
			}
		case w.Replicas != n || w.Ready < n:
			return false
		}
	}
	return true
}

// NotUp names the first workload that is not at its recorded count.
func NotUp(ws []Workload, want map[string]int) string {
	waiting, first := 0, ""
	for _, w := range ws {
		if !AtRecorded([]Workload{w}, want) {
			waiting++
			if first == "" {
				first = fmt.Sprintf("%s has %d of %d ready", w.Key(), w.Ready, want[w.Key()])
				if w.Kind == KindCronJob {
					first = w.AsItIs()
				}
			}
		}
	}
	if waiting > 1 {
		return fmt.Sprintf("%s, and %d more", first, waiting-1)
	}
	return first
}

// TroubleOf is what Kubernetes says is wrong with the first workload that has
// trouble, "" where none has.
func TroubleOf(ws []Workload) string {
	for _, w := range ws {
		if w.Trouble != "" && w.Ready < w.Replicas {
			return w.Key() + ": " + w.Trouble
		}
	}
	return ""
}
