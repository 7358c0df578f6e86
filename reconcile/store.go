package reconcile

import (
	"fmt"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// storeKind is a kind of datastore with what is so of it when it moves. Each kind
// has a file of its own in this room too that makes one, and what is not registered
// is nobody's.
type storeKind struct {
	*server.StoreKind
	words    storeWords
	observed func(*Observation) *DatastoreObservation
	check    func(*spec.Spec, Observation, Part) []engine.Finding

	// setsAside tells that its databases can be set aside where they are, renames
	// that owners may need another name on the other side, rehearses that its schema
	// can be rehearsed, closes that there is no way back from a newer major version.
	setsAside, renames, rehearses, closes bool
	// unfencedCopy tells that its fence may stop our own writes too and is lifted for
	// the copy, unfencedCommit that it is lifted once the commit is made.
	unfencedCopy, unfencedCommit bool
}

// storeWords are what plans say of a kind of datastore.
type storeWords struct {
	// tables is what holds the rows.
	tables string
	// fence says how writes are stopped: the step's title with %s for the side, and
	// its detail; proof is what is compared.
	fenceTitle, fence, proof string
	// plain tells that titles need not name it: it is the datastore that is meant
	// where there is only one.
	plain bool
}

// moves are the registered kinds.
var moves []*storeKind

// engines names all kinds of datastore, in the order in which plans list them.
var engines = server.Engines()

func init() { // an initialiser would be a cycle: what a kind checks looks kinds up
	moves = []*storeKind{postgreSQL(), mongoDB()}
}

// kindOf is the kind of an engine.
func kindOf(e mover.Engine) *storeKind {
	if i := slices.IndexFunc(moves, func(s *storeKind) bool { return s.Engine == e }); i >= 0 {
		return moves[i]
	}
	panic(fmt.Sprintf("%q is no kind of datastore that this version moves", e))
}

// docsOf is where the rules of moving an engine out are explained.
func docsOf(e mover.Engine) string { return "docs/moving-" + string(e) + ".md" }
