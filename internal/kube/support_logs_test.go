package kube

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// A pod that goes between the list and its log is no log that could not be read.
func TestLogsOfPodsThatHaveGone(t *testing.T) {
	s, c := stage(t, 10*time.Second)
	mover := func(name string) {
		pod := podOfJob(name)
		pod["metadata"].(object)["labels"].(object)[labelManagedBy] = manager
		s.Put(inCI+"pods/"+name, pod)
	}
	mover("inspect")
	mover("reach")
	s.Put(inCI+"pods/inspect/log", "{\"seq\":1}\n")
	logs, err := c.MoverLogs(t.Context())
	if got := slices.Collect(maps.Keys(logs)); err != nil || !slices.Equal(got, []string{"inspect"}) {
		t.Errorf("logs of %v are read: %v", got, err)
	}
}
