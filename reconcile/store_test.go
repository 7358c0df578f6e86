package reconcile

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// A kind of datastore that is registered says all there is to say of one: a
// function that is missing would be found in an outage.
func TestEveryKindOfDatastoreIsWhole(t *testing.T) {
	for _, k := range storeKinds {
		for _, part := range []any{*k, k.values} {
			v := reflect.ValueOf(part)
			for i := range v.NumField() {
				f, name := v.Field(i), v.Type().Field(i).Name
				if f.Kind() == reflect.Bool {
					continue
				}
				if f.IsZero() {
					t.Errorf("%s has no %s", k.engine, name)
				}
			}
		}
		if k.engine.Title() == "" || k.words.fence == "" || k.words.proof == "" || k.words.tables == "" || !strings.Contains(k.words.fenceTitle, "%s") {
			t.Errorf("%s lacks words: %+v", k.engine, k.words)
		}
		var o Observation
		for _, other := range storeKinds {
			if other != k && k.observed(&o) == other.observed(&o) {
				t.Errorf("%s and %s are observed in one place", k.engine, other.engine)
			}
		}
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
