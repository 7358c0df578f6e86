package reconcile

// AcceptWords are the words by which dangers are accepted, all there are; a plan
// asks for those of its own steps.
var AcceptWords = []string{
	AcceptDiscardExternal, AcceptDiscardInternal, AcceptNoWayBack, AcceptOutage, AcceptSuspended,
	AcceptRemoveInternal, AcceptReplaceExternal, AcceptReplaceInternal, AcceptUnrehearsed,
}
