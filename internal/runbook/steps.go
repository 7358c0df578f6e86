package runbook

import (
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// byHand has what a person types for every action that a plan can have.
var byHand = map[engine.ActionKind]func(*teller, engine.Step) Section{
	reconcile.ActCredentials: (*teller).credentials,
	reconcile.ActProtect:     (*teller).protect,
	reconcile.ActRehearse:    (*teller).rehearse,
	reconcile.ActUnrehearsed: (*teller).unrehearsed,
	reconcile.ActRead:        (*teller).read,
	reconcile.ActRecord:      (*teller).recordReplicas,
	reconcile.ActQuiesce:     (*teller).quiesce,
	reconcile.ActFence:       (*teller).fence,
	reconcile.ActCopy:        (*teller).copyData,
	reconcile.ActProve:       (*teller).prove,
	reconcile.ActSwitch:      (*teller).switchRelease,
	reconcile.ActHandOff:     (*teller).handOff,
	reconcile.ActCommit:      (*teller).commit,
	reconcile.ActResume:      (*teller).resume,
	reconcile.ActSettle:      (*teller).settle,
	reconcile.ActSetAside:    (*teller).setAside,
	reconcile.ActRemove:      (*teller).remove,
	reconcile.ActGoBack:      (*teller).goBack,
	reconcile.ActAdopt:       (*teller).adopt,
}

func newTeller(p engine.Plan) *teller {
	return (&teller{n: NamesOf(p), inwards: inwards(p)}).onlyKnown()
}

// NamesOf are the names that a plan carries: one of an older version those of
// namespace and release only.
func NamesOf(p engine.Plan) reconcile.Names {
	if n := reconcile.NamesIn(p); n != nil {
		return *n
	}
	var n reconcile.Names
	n.Namespace, n.Release, _ = strings.Cut(p.Binding.Release, "/")
	if p.Resumes == "" { // else the revision of now is not the one to go back to
		n.Revision = p.Binding.Revision
	}
	return n
}

// StepByHand tells how one step of a plan is done by hand.
func StepByHand(p engine.Plan, st engine.Step) (Section, error) {
	t := newTeller(p)
	s, err := t.step(st)
	s.Before = t.setup()
	return s, err
}

func (t *teller) step(st engine.Step) (Section, error) {
	tell, ok := byHand[st.Action]
	if !ok {
		return Section{}, fmt.Errorf("step %s: this version knows no action %q", st.ID, st.Action)
	}
	if e := engineOf(st); hands[e].prefix == "" {
		return Section{}, fmt.Errorf("step %s: this version knows no datastore %q: take the version that made the plan", st.ID, string(e))
	}
	return tell(t, st), nil
}
