package main

import (
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// TestAccepted: consent names the plan, covers every danger and nothing else.
func TestAccepted(t *testing.T) {
	begun := engine.Plan{ID: "abd", Steps: []engine.Step{{ID: "stop", Accept: "outage"}, {ID: "commit", Accept: "outage"}}}
	resumed := engine.Plan{ID: "abc", Resumes: "postgresql-e1", Steps: []engine.Step{{ID: "commit", Accept: "no-way-back"}, {ID: "start", Accept: "outage"}}}
	dangerous := engine.Plan{ID: "abc", Steps: []engine.Step{{Accept: "outage"}, {}, {Accept: "remove-internal-database"}, {Accept: "outage"}}}
	harmless := engine.Plan{ID: "abc", Steps: []engine.Step{{}}}
	for _, tc := range []struct {
		name  string
		plan  engine.Plan
		given string
		file  *engine.Plan
		want  string
	}{
		{"a harmless plan needs no word", harmless, "", nil, ""},
		{"a dangerous one does", dangerous, "", nil, "--accept must name the plan: --accept abc:outage,remove-internal-database"},
		{"words without the plan's id are no consent", dangerous, "outage,remove-internal-database", nil, "--accept must name the plan"},
		{"another plan's id is stale", dangerous, "xyz:outage,remove-internal-database", nil, "the plan is stale: plan was xyz and is abc"},
		{"one danger of two", dangerous, "abc:outage", nil, `the plan has the danger "remove-internal-database"`},
		{"a danger the plan has not", dangerous, "abc:outage,everything", nil, `--accept names "everything"`},
		{"all of it", dangerous, "abc:remove-internal-database,outage", nil, ""},
		{"a move that goes on asks for no word that its plan file has not", resumed, "outage", &begun, ""},
		{"a plan made anew asks for it", resumed, "abc:outage", nil, `the plan has the danger "no-way-back"`},
		{"with a plan file the words are enough", dangerous, "outage,remove-internal-database", &dangerous, ""},
		{"the same words when most is done already", engine.Plan{ID: "abc", Steps: []engine.Step{{Accept: "outage"}}}, "outage,remove-internal-database", &dangerous, ""},
		{"with a plan file a danger that neither has", dangerous, "outage,everything,remove-internal-database", &dangerous, `--accept names "everything"`},
		{"with a plan file one danger of two", dangerous, "outage", &dangerous, `the plan has the danger "remove-internal-database"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := accepted(tc.plan, tc.given, tc.file)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("accepted(%q) = %v, want consent", tc.given, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("accepted(%q) = %v, want %q", tc.given, err, tc.want)
			}
		})
	}
}

// TestAsk: anything but the plan's own words is no.
func TestAsk(t *testing.T) {
	plan := engine.Plan{ID: "abc", Steps: []engine.Step{{Accept: "outage"}}}
	for answer, want := range map[string]bool{"outage\n": true, " outage \n": true, "outage": true, "yes\n": false, "\n": false, "": false} {
		var prompt strings.Builder
		if err := ask(strings.NewReader(answer), &prompt, plan); (err == nil) != want {
			t.Errorf("ask with answer %q = %v, want consent %v", answer, err, want)
		}
		if !strings.Contains(prompt.String(), "plan abc, type outage") {
			t.Errorf("prompt = %q", prompt.String())
		}
	}
}

// TestQuote: a command that a person pastes means what it says.
func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"plan.json": "plan.json", "my plan": "'my plan'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
