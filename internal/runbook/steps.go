package runbook

import (
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// byHand has what a person types for every action that a plan can have.
var byHand = map[reconcile.ActionKind]func(*teller, reconcile.Step) Section{
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

// newTeller writes about a plan with the names that it carries; a plan of an
// older version carries namespace and release only.
func newTeller(p reconcile.Plan) *teller {
	t := &teller{inwards: inwards(p)}
	if p.Names != nil {
		t.n = *p.Names
		return t
	}
	t.n.Namespace, t.n.Release = splitRelease(p.Binding.Release)
	t.n.Revision = p.Binding.Revision
	if p.Resumes != "" { // the revision of now is not the one to go back to
		t.n.Revision = 0
	}
	return t
}

// StepByHand tells how one step of a plan is done by hand.
func StepByHand(p reconcile.Plan, st reconcile.Step) (Section, error) {
	t := newTeller(p)
	s, err := t.step(st)
	s.Before = t.setup()
	return s, err
}

func (t *teller) step(st reconcile.Step) (Section, error) {
	tell, ok := byHand[st.Action]
	if !ok {
		return Section{}, fmt.Errorf("step %s: this version knows no action %q", st.ID, st.Action)
	}
	return tell(t, st), nil
}
