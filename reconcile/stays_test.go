package reconcile

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// What leaves the release with the switch is named, whether it is kept by the
// upgrade, by the step that protects the server, or by nobody.
func TestTheSwitchNamesWhatStays(t *testing.T) {
	t.Parallel()
	rel := server.Release{Postgres: server.ReleaseStore{Internal: true, FullName: "ci-db"}}
	of := func(kind, name, action string) server.ObjectPreview {
		return server.ObjectPreview{Kind: kind, Name: name, Action: action, Template: "circleci-server/charts/postgresql/templates/x.yaml"}
	}
	objects := []server.ObjectPreview{
		of("StatefulSet", "ci-db", server.ObjectKept), of("Service", "ci-db", server.ObjectKept), of("Service", "ci-db-headless", "delete"), of("Secret", "ci-db", server.ObjectKept),
		of("NetworkPolicy", "ci-db", "delete"), {Kind: "ConfigMap", Name: "theirs", Action: server.ObjectKept},
	}
	o := Observation{Preview: engine.Found(server.Preview{Faithful: true, Objects: objects})}
	want := []string{
		"leaves the release but stays alive: StatefulSet/ci-db, Service/ci-db, Service/ci-db-headless, Secret/ci-db",
		"goes with the switch: NetworkPolicy/ci-db",
	}
	if got := previewLines(rel, o); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := foreignChanges(rel, o.Preview.Value, nil); slices.Contains(got, "keep ConfigMap/theirs") {
		t.Errorf("what nothing happens to stands in the way: %q", got)
	}
}
