package render_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Everything a finding says, but for its short sentence, is in the plan's JSON, and is read again.
func TestFindingsAreWholeInJSON(t *testing.T) {
	want := engine.Finding{ID: "id", Blocks: true, What: "what", Brief: "short", Fix: "fix", Field: "field", Source: "source",
		Left: &engine.Left{What: "kind", Objects: []string{"a", "b"}}}
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("this test leaves %s empty", v.Type().Field(i).Name)
		}
	}
	var doc struct{ Findings []map[string]any }
	if err := json.Unmarshal(planJSON(t, engine.Plan{Findings: []engine.Finding{want}}), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Findings) != 1 || !reflect.DeepEqual(doc.Findings[0], map[string]any{"id": "id", "blocks": true, "what": "what", "fix": "fix", "field": "field", "source": "source",
		"left": map[string]any{"what": "kind", "objects": []any{"a", "b"}}}) {
		t.Errorf("the findings are %v", doc.Findings)
	}
}
