package server

import "github.com/circleci-dr/circleci-dr/reconcile/mover"

// ReleasedValue is one value of the release; Location tells that it says which
// server is meant.
type ReleasedValue struct {
	Name     string
	Value    any
	Location bool
}

// ReleasedValues are what a release says of a datastore's server, to be compared
// with files.
func ReleasedValues(live ReleaseStore, e mover.Engine) []ReleasedValue {
	out := []ReleasedValue{{"internal", live.Internal, true}}
	out = append(out, KindOf(e).values.named(live)...)
	return append(out, ReleasedValue{"auth.username", live.Username, false}, ReleasedValue{"auth.existingSecret", live.ExistingSecret, false})
}
