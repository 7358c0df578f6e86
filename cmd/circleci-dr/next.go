package main

import (
	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// nextAfter is what is due after an apply that was done whole: a move leaves the
// user's own values files behind, and nothing else says so before the next helm
// upgrade does.
func (p *program) nextAfter(s *spec.Spec, rep engine.Report, o common) render.Next {
	if !reconcile.Switched(rep) {
		return render.Next{}
	}
	command := commandLine("values", common{file: o.file})
	if len(s.Server.Values) == 0 {
		return render.Next{Command: command, Why: "prints what your own Helm values files have to say from now on. With the old ones the next helm upgrade -f points the application back at the old database."}
	}
	out, _, err := p.compareValues(s, valuesOptions{common: o, secrets: noSecrets()})
	switch {
	case err != nil || len(out.Files) == 0:
		return render.Next{Command: command, Why: "prints what your own Helm values files have to say from now on; those of server.values could not be read."}
	case out.Agree:
		return render.Next{}
	}
	return render.Next{Command: command + " --write", Why: "brings your Helm values files into line. As they are, the next helm upgrade -f points the application back at the old database."}
}
