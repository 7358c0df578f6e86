package reconcile

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// A kind of datastore that is registered says all there is to say of one: a
// function that is missing would be found in an outage.
func TestEveryKindOfDatastoreIsWhole(t *testing.T) {
	var moved []mover.Engine
	for _, k := range moves {
		moved = append(moved, k.Engine)
		v := reflect.ValueOf(*k)
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() != reflect.Bool && f.IsZero() {
				t.Errorf("%s has no %s", k.Engine, v.Type().Field(i).Name)
			}
		}
		if k.Engine.Title() == "" || k.words.fence == "" || k.words.proof == "" || k.words.tables == "" || !strings.Contains(k.words.fenceTitle, "%s") {
			t.Errorf("%s lacks words: %+v", k.Engine, k.words)
		}
		var o Observation
		for _, other := range moves {
			if other != k && k.observed(&o) == other.observed(&o) {
				t.Errorf("%s and %s are observed in one place", k.Engine, other.Engine)
			}
		}
	}
	if want := server.Engines(); !slices.Equal(moved, want) {
		t.Errorf("what a move does is known of %v, and there are %v", moved, want)
	}
}

// What this version does not know is nobody's: no datastore is taken for another,
// neither in the release nor in the record of a move.
func TestAnUnknownDatastoreIsTakenForNone(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.process(t.Context(), s)
	if got := (server.Release{Postgres: server.ReleaseStore{Internal: true, FullName: "pg"}}).Store("redis"); got.FullName != "" || got.Internal {
		t.Errorf("the release has %+v", got)
	}
	m := w.lastMove()
	m.Parts[0].Engine = "redis"
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.WriteRecord(t.Context(), records{w}, RecordMove, json.RawMessage(raw), records{w}.Read(t.Context(), RecordMove).Value.Version); err != nil {
		t.Fatal(err)
	}
	o, _, err := w.plan(s)
	var unread *UnreadableError
	if !errors.As(err, &unread) || !strings.Contains(err.Error(), `datastore "redis", which this version does not know`) {
		t.Errorf("the plan says %v", err)
	}
	if lines := Status(s, o, "f.yaml"); len(lines) == 0 {
		t.Error("status says nothing")
	}
}
