package runbook

import (
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// hand is what a person does by hand with one kind of datastore. What is not
// registered here is refused or named: no command is made of another kind's.
type hand struct {
	// prefix begins the names of its variables; passwordKey is the key of the
	// superuser's password in the chart's Secret.
	prefix, passwordKey string
	// way leads to a server, lift takes the tool's fence off it.
	way, lift func(*teller, side) []Part
	// read is the command that reads all of it, fenceLook shows its fence, lineage
	// whose turn it is, sessions who is connected.
	read                         func(*teller, side) string
	fenceLook, lineage, sessions func(side) string
	// fence, copy and prove are the steps of these names.
	fence, copy, prove func(*teller, engine.Step) Section
}

var hands map[mover.Engine]hand

func init() { // an initialiser would be a cycle: ways look kinds up
	hands = map[mover.Engine]hand{mover.PostgreSQL: handOfPostgres(), mover.MongoDB: handOfMongo()}
}

// onlyKnown takes the datastores out of a text's names that this version does not know.
func (t *teller) onlyKnown() *teller {
	var stores []reconcile.StoreNames
	for _, s := range t.n.Stores {
		if _, ok := hands[s.Engine]; ok {
			stores = append(stores, s)
			continue
		}
		t.unknown = append(t.unknown, s.Engine)
	}
	t.n.Stores = stores
	return t
}

// strangers names what the text has no commands for.
func (t *teller) strangers() []Part {
	var out []Part
	for _, e := range t.unknown {
		out = append(out, say("This version knows no "+reconcile.OneLine(string(e))+", and has no commands for it: take the version that made the plan."))
	}
	return out
}
