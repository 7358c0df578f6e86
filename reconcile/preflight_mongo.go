package reconcile

import "github.com/circleci-dr/circleci-dr/spec"

// preflightMongo judges what the inspect Job found on both sides of MongoDB.
func preflightMongo(_ *spec.Spec, o Observation, p Part) []Finding {
	insp := o.Mongo.Inspection
	if !insp.Is() {
		return []Finding{unreadFinding(MongoDB, insp)}
	}
	return sideTrouble(MongoDB, "source", p.From, insp.Value.Source)
}
