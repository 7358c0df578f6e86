package schema

import _ "embed"

// The $ids of the schemas of what the commands write. They are names: nothing
// is ever fetched from them.
const (
	PlanID   = "https://circleci-dr.github.io/schema/circleci-dr-plan.v1.schema.json"
	ReportID = "https://circleci-dr.github.io/schema/circleci-dr-report.v1.schema.json"
)

//go:embed circleci-dr-plan.v1.schema.json
var plan string

//go:embed circleci-dr-report.v1.schema.json
var report string

// Plan returns the JSON Schema (draft 7) of a plan: what plan --output json
// prints and plan --out writes.
func Plan() []byte { return []byte(plan) }

// Report returns the JSON Schema (draft 7) of what apply, status, drift,
// prove and values print with --output json; the field format tells them apart.
func Report() []byte { return []byte(report) }
