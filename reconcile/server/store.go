package server

import (
	"fmt"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// StoreKind is what there is to know of one kind of datastore that is not so of every
// kind. Each kind has a file of its own that makes one; nobody else asks which kind
// it is, and what is not registered is nobody's. Sources: values table and operator
// guide (configuring external services) of Server 4.x.
type StoreKind struct {
	// Engine is its name.
	Engine mover.Engine
	// Superuser is the internal server's own; ChartKeys are the keys of the
	// chart's Secret with its password, the newest release's first.
	Superuser string
	ChartKeys []string
	// Credentials is the Secret the switched release reads its password from.
	// It is ours, so that a password may come from anywhere the spec allows and
	// the chart's own Secret can stay for the way back. Keys are those the chart
	// may read; where pages of the vendor contradict each other, all of them.
	Credentials string
	Keys        []string
	// passwordKeys are the keys under which the application reads the password of
	// an external server, the likeliest first, ownSecret is how the examples call a
	// Secret that somebody makes for one, plainPasswords are the values that may hold
	// it in plain text.
	passwordKeys   []string
	ownSecret      string
	plainPasswords []string
	port           int
	// hostField is the field of the external block with the address.
	hostField string

	// declared is its block of the spec, nil when there is none.
	declared func(*spec.Spec) *Declaration
	// verifies tells whether the application looks at certificates, and whether
	// that is documented.
	verifies func(*spec.Spec) (verifies, sure bool)
	// Released is its part of the release.
	Released func(*Release) *ReleaseStore
	// inside completes the endpoint of the server in the release.
	inside func(at *mover.Endpoint, fullName string)
	values storeValues
	draft  func(*Draft, Installation)
}

// storeValues are the Helm values of a kind of datastore.
type storeValues struct {
	// wanted are those by which a chart version uses it where the spec says.
	wanted func(*spec.Spec, string) []Setting
	// leftover are those that files keep from an external server and that the
	// internal one, called name, would trip over.
	leftover func(name, version string) []Setting
	// paths names all of them, in the order in which the chart documents them.
	paths func() []string
	// read is the datastore as the values of a release name it.
	read func(DeclaredValues) (ReleaseStore, error)
	// back is the block of the way back; address and auth are parts of it.
	back func(chartVersion string, address any, auth map[string]any) map[string]any
	// address is what the chart is told of the server inside, and what it takes by
	// default.
	address func(prior ReleaseStore) (address, standard string)
	// named are those that say which external server is meant.
	named func(ReleaseStore) []ReleasedValue
	// hosts are the external servers that a block of values names, of a datastore
	// that is called name, and whether it encrypts.
	hosts func(block map[string]any, name string) (hosts []string, secure bool)
	// listed tells that the chart writes the hosts as one list.
	listed bool
	// changes are those of an address, from the release's to the spec's.
	changes func(live ReleaseStore, to mover.Endpoint) []engine.Change
}

// storeKinds are the registered kinds, in the order in which plans list them.
var storeKinds []*StoreKind

func init() { // an initialiser would be a cycle: the tables of values look kinds up
	storeKinds = []*StoreKind{postgreSQL(), mongoDB()}
}

// Engines are the datastores that this version knows, in the order in which plans
// list them.
func Engines() []mover.Engine {
	out := make([]mover.Engine, 0, len(storeKinds))
	for _, k := range storeKinds {
		out = append(out, k.Engine)
	}
	return out
}

// Declares tells whether a spec has a block of a datastore.
func Declares(s *spec.Spec, e mover.Engine) bool { return Declared(s, e) != nil }

// KindOf is the kind of an engine. Specs, records and plans are checked when they
// are read, so that one which is not registered is a mistake of ours.
func KindOf(e mover.Engine) *StoreKind {
	if k := known(e); k != nil {
		return k
	}
	panic(fmt.Sprintf("%q is no kind of datastore that this version knows", e))
}

// known is the kind of an engine, nil for one that is not registered.
func known(e mover.Engine) *StoreKind {
	if i := slices.IndexFunc(storeKinds, func(s *StoreKind) bool { return s.Engine == e }); i >= 0 {
		return storeKinds[i]
	}
	return nil
}
