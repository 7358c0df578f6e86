package reconcile

import (
	"context"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// flow is one kind of move: the world it begins in, what the spec asks for,
// and the steps it takes. What holds for one holds for all.
type flow struct {
	name   string
	before []func() *spec.Spec // moves that are over when it begins
	spec   func() *spec.Spec
	steps  []engine.ActionKind
	// then is what somebody else does to the world after that.
	then func(*world)
}

var flows = []flow{
	{"out", nil, externalSpec, wholeMove, nil},
	{"out, not rehearsed", nil, externalSpec, unrehearsed, (*world).cannotRehearse},
	{"back", []func() *spec.Spec{externalSpec}, backSpec, wayBack, nil},
	{"out again", []func() *spec.Spec{externalSpec, backSpec}, externalSpec, outAgain, nil},
	{"MongoDB out", nil, privateSpec, without(wholeMove, ActRehearse), (*world).isPrivate},
	{"both out", nil, bothSpec, twice(wholeMove), nil},
	{"both back", []func() *spec.Spec{bothSpec}, bothBackSpec, twice(wayBack), nil},
	{"handed off", nil, handedSpec, handed, nil},
	{"forked", []func() *spec.Spec{externalSpec}, externalSpec, forkEnded, func(w *world) { w.pullBack(); w.src.fence, w.src.stood = "", false }},
	{"forked and handed off", []func() *spec.Spec{handedSpec}, handedSpec, forkHanded, func(w *world) { w.pullBack(); w.src.fence, w.src.stood = "", false }},
	{"pulled back behind its fence", []func() *spec.Spec{externalSpec}, externalSpec, forkEnded, (*world).pullBack},
}

// without leaves steps of one kind out.
func without(steps []engine.ActionKind, kind engine.ActionKind) []engine.ActionKind {
	return slices.DeleteFunc(slices.Clone(steps), func(k engine.ActionKind) bool { return k == kind })
}

// twice repeats the steps that each datastore has.
func twice(steps []engine.ActionKind) []engine.ActionKind {
	once := map[engine.ActionKind]bool{ActRecord: true, ActQuiesce: true, ActSwitch: true, ActHandOff: true, ActResume: true, ActSettle: true, ActRehearse: true} // of PostgreSQL alone
	var out []engine.ActionKind
	for _, k := range steps {
		out = append(out, k)
		if !once[k] {
			out = append(out, k)
		}
	}
	return out
}

// outwards tells whether the flow leaves the cluster.
func (f flow) outwards() bool { return slices.Contains(f.steps, ActRemove) }

// mongoSpec wants MongoDB outside, and says nothing of PostgreSQL.
func mongoSpec() *spec.Spec {
	s := bothSpec()
	s.Datastores.PostgreSQL = nil
	return s
}

func bothSpec() *spec.Spec {
	s := externalSpec()
	s.Datastores.MongoDB = &spec.MongoDB{Location: spec.External, External: &spec.MongoDBExternal{
		Hosts: []string{"m.example.com"}, Username: "circleci", DiskGiB: 200, Password: spec.SecretRef{Secret: &spec.SecretKey{Name: "mongo", Key: "password"}},
	}}
	return s.WithDefaults()
}

func bothBackSpec() *spec.Spec {
	s := bothSpec()
	s.Datastores.PostgreSQL.Location, s.Datastores.MongoDB.Location = spec.Internal, spec.Internal
	return s
}

var (
	wayBack  = []engine.ActionKind{ActRead, ActRecord, ActQuiesce, ActFence, ActSwitch, ActCopy, ActProve, ActCommit, ActResume, ActSettle}
	handed   = []engine.ActionKind{ActCredentials, ActProtect, ActRehearse, ActRecord, ActQuiesce, ActFence, ActCopy, ActProve, ActHandOff, ActCommit, ActResume, ActRemove}
	outAgain = []engine.ActionKind{ActCredentials, ActProtect, ActRead, ActRecord, ActQuiesce, ActFence, ActCopy, ActProve, ActSwitch, ActCommit, ActResume, ActSettle, ActRemove}
)

// unrehearsed are the steps out where no rehearsal can be made.
var unrehearsed = []engine.ActionKind{ActCredentials, ActProtect, ActUnrehearsed, ActRecord, ActQuiesce, ActFence, ActCopy, ActProve, ActSwitch, ActCommit, ActResume, ActSettle, ActRemove}

// cannotRehearse is a target that gives no room for a rehearsal, as an apply has
// found out.
func (w *world) cannotRehearse() {
	w.noRoom = true
	if a := w.process(context.Background(), externalSpec()); a.err == nil {
		panic("there was a rehearsal without room")
	}
}

// forkEnded are the steps when the external side was chosen.
var forkEnded = []engine.ActionKind{ActCredentials, ActProtect, ActRecord, ActQuiesce, ActFence, ActSwitch, ActCommit, ActResume, ActSettle, ActSetAside, ActRemove}

// forkHanded are the steps of that where another tool applies the values.
var forkHanded = []engine.ActionKind{ActCredentials, ActProtect, ActRecord, ActQuiesce, ActFence, ActHandOff, ActCommit, ActResume, ActSetAside, ActRemove}

// pullBack is somebody's helm upgrade with old values after a move out, and the
// choice that will be made about it.
func (w *world) pullBack() {
	w.newest().internal, w.newest().secret, w.store, w.safe, w.forked = true, internalHost, true, false, true
	for _, a := range w.apps {
		a.hosts[mover.PostgreSQL] = internalHost
	}
	w.src.rows[-1]++
	w.src.stood = true
	w.choice = map[mover.Engine]spec.Location{mover.PostgreSQL: spec.External}
}

// backSpec wants the data in the cluster and still says where they are.
func backSpec() *spec.Spec {
	s := externalSpec()
	s.Datastores.PostgreSQL.Location = spec.Internal
	return s
}

// handedSpec declares that Flux reconciles the release.
func handedSpec() *spec.Spec {
	s := externalSpec()
	s.Server.ManagedBy = spec.ManagedByFlux
	return s
}

// begin is the world before the flow's move.
func (f flow) begin(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.tool.by = f.spec().Server.ManagedBy
	for _, s := range f.before {
		w.converge(t, s())
	}
	if f.then != nil {
		f.then(w)
	}
	for _, db := range w.databases() {
		db.inside = w.newest().inside(db.engine)
		for _, a := range w.apps {
			a.home[db.engine] = a.hosts[db.engine]
		}
		db.creds, db.safe = !db.inside, !db.inside // somebody tidied up meanwhile
	}
	w.rest()
	return w
}

// calls counts the calls of the outside before, in the plan and in the apply.
func (f flow) calls(t *testing.T) callCount {
	t.Helper()
	w := f.begin(t)
	c := callCount{begun: len(w.calls)}
	o, plan, err := w.plan(f.spec())
	if err != nil {
		t.Fatal(err)
	}
	c.planned = len(w.calls)
	if _, err, _ := w.apply(t.Context(), f.spec(), o, plan); err != nil {
		t.Fatal(err)
	}
	c.all = len(w.calls)
	return c
}

type callCount struct{ begun, planned, all int }

// eachFlow runs a test for every kind of move.
func eachFlow(t *testing.T, test func(t *testing.T, f flow)) {
	t.Helper()
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

// handsOff tells whether a tool switches the release, after which there is no
// way back.
func (f flow) handsOff() bool { return slices.Contains(f.steps, ActHandOff) }

// eachFlowThatSwitches leaves out those whose switch is a tool's.
func eachFlowThatSwitches(t *testing.T, test func(t *testing.T, f flow)) {
	t.Helper()
	eachFlow(t, func(t *testing.T, f flow) {
		if !f.handsOff() {
			test(t, f)
		}
	})
}

func TestThereAndBackAndThereAgain(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		a := w.process(t.Context(), s)
		if a.err != nil {
			t.Fatal(a.err)
		}
		if got := actions(a.plan.Steps); !slices.Equal(got, f.steps) {
			t.Errorf("steps are %v, want %v", got, f.steps)
		}
		w.moved(t, s, f.name)
	})
}

// A release whose password is in a Secret of the user's own name comes back
// with it, and is not told that it was lost.
func TestBackToASecretOfTheUsersOwn(t *testing.T) {
	w := newWorld()
	w.own = "mine"
	w.converge(t, externalSpec())
	for _, row := range []struct {
		secret string
		want   []string
	}{{"mine", nil}, {"gone", []string{"secret-lost"}}} {
		w.own = row.secret
		_, plan, err := w.plan(backSpec())
		if err != nil || !slices.Equal(blocks(plan), row.want) {
			t.Errorf("%s: blocked by %v, error %v", row.secret, blocks(plan), err)
		}
	}
	w.own = "mine"
	w.converge(t, backSpec())
	w.moved(t, backSpec(), "back")
}

// All other tests play what runs side by side in an order of their own, so
// that they are the same each time; here goroutines do as they like.
func TestThereAndBackInRealParallel(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		w.parallel = true
		if a := w.process(t.Context(), s); a.err != nil {
			t.Fatal(a.err)
		}
		w.moved(t, s, f.name)
	})
}
