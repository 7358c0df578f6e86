package runbook

import (
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// hold has Helm leave the application at zero: a post-renderer, made of what
// kubectl brings. Scaling to zero is not enough, because an upgrade compares with
// what is live.
const hold = `resources: [all.yaml]
patches:
- target: {kind: Deployment, labelSelector: layer=application}
  patch: '[{"op": "add", "path": "/spec/replicas", "value": 0}]'
- target: {kind: StatefulSet, labelSelector: layer=application}
  patch: '[{"op": "add", "path": "/spec/replicas", "value": 0}]'
- target: {kind: CronJob, labelSelector: layer=application}
  patch: '[{"op": "add", "path": "/spec/suspend", "value": true}]'`

const holdScript = `#!/bin/sh
umask 077
cat > hold/all.yaml && exec kubectl kustomize hold`

func makeHold() string {
	return "mkdir -p hold\n" + heredoc("cat > hold/kustomization.yaml", hold) + "\n" + heredoc("cat > hold/render", holdScript) + "\nchmod +x hold/render"
}

func (t *teller) chart() string {
	return t.known(t.n.Chart, variable{name: "CHART", hint: "the chart that is deployed, with its subcharts: a directory, a .tgz or oci://..."})
}

func (t *teller) version() string {
	if t.n.ChartVersion != "" {
		return word(t.n.ChartVersion)
	}
	return t.known("", variable{name: "VERSION", find: t.helm("history "+t.release()+" --max 1 -o json") + ` | grep -oE '"chart":"[^"]+"' | grep -oE '[0-9]+\.[0-9]+\.[0-9]+[^"]*'`})
}

// upgrade changes the release's own values by files and nothing else.
func (t *teller) upgrade(with string) string {
	return t.helm("upgrade " + t.release() + " " + t.chart() + " --version " + t.version() + " --reset-values --values own.yaml" + with)
}

func (t *teller) ownValues() string {
	return "(umask 077; " + t.helm("get values "+t.release()+" -o yaml > own.yaml") + ")"
}

func (t *teller) history() string { return t.helm("history " + t.release()) }

// noPasswords takes the user and the password out of connection strings.
const noPasswords = `sed -E 's,://[^/@ ]*@,://…@,g'`

// reads shows which server the release and its workloads name.
func (t *teller) reads() string {
	var hosts []string
	for _, s := range t.n.Stores {
		hosts = append(hosts, s.Inside)
		if o := t.outside(s.Engine); o.Host != "" || len(o.Hosts) > 0 {
			hosts = append(hosts, mover.Endpoint{Host: o.Host, Hosts: o.Hosts}.HostNames()...)
		}
	}
	search := "grep -iE 'postgres|mongo|pg'"
	if len(hosts) > 0 && !slices.Contains(hosts, "") {
		search = "grep -F"
		for _, host := range hosts {
			search += " -e " + word(host)
		}
	}
	return t.helm("get values "+t.release()+" --all -o yaml") + ` | grep -E '^(postgresql|mongodb):|^  (internal|postgresqlHost|postgresqlPort|hosts):'` + "\n" +
		t.kubectl("get deployments,statefulsets -l "+layerLabel+" -o yaml") + " | grep ' value: ' | " + search + " | " + noPasswords + " | sort | uniq -c"
}

func (t *teller) values() []Part {
	if t.n.Values == "" {
		return parts(run("The block of values that the switch sets: circleci-dr values prints it from the file. Write it to switch.yaml.", "cat switch.yaml"))
	}
	return parts(run("The block of values that the switch sets; it holds no password.", heredoc("cat > switch.yaml", t.n.Values)))
}

func (t *teller) switchRelease(engine.Step) Section {
	do := join(t.values(), parts(
		run("The release's own values. They may hold passwords, so the file is for you alone.", t.ownValues()),
		run("What holds the application at zero, so that nothing of it starts before both sides were compared and the release was looked at.", makeHold()),
		run("Both go over the chart that is deployed. Look first at what would change.", "(umask 077; "+t.upgrade(" --values switch.yaml --post-renderer ./hold/render --dry-run")+" > preview.yaml)"),
		run("Then the upgrade.", t.upgrade(" --values switch.yaml --post-renderer ./hold/render")),
	))
	done := parts(run("The newest revision is deployed, and every workload names the target.", t.history()+"\n"+t.reads()))
	for _, s := range t.n.Stores {
		switch s.To {
		case "":
		case spec.Internal:
			done = append(done, run("The server in the cluster is up.", t.kubectl("rollout status statefulset/"+t.store(s.Engine)+" --timeout=15m")))
		default:
			done = append(done, run("What left the release with the switch is alive, beside its volume, until the last step removes the server: the StatefulSet, the Services and the Secret of "+s.Engine.Title()+" in the cluster.", t.belongings(s.Engine)))
		}
	}
	return Section{
		Already: parts(run("What the release and its workloads name.", t.reads())),
		Do:      do, Done: done,
		Undo: join(t.rollBack(), parts(run("The files that may hold passwords go, whatever becomes of it.", "rm -rf own.yaml preview.yaml hold"))),
	}
}

// rollBackOpen does it only while the record says that the move is open: after
// the commit it would be the second truth.
func (t *teller) rollBackOpen() []Part {
	out := t.rollBack()
	last := &out[len(out)-1]
	last.Text += " Nothing is done unless the record says that the move is open or returning."
	last.Shell = t.record("move") + ` | grep -qE '"phase":"(open|returning)"' &&` + "\n  " + last.Shell
	return out
}

// rollBack gives the release its former revision.
func (t *teller) rollBack() []Part {
	return parts(
		run("Which revision the release has, and what it was before: revisions of circleci-dr say so in their description.", t.history()),
		run("Back to the revision from before. Helm starts here what its manifest says; counts that no values file knows follow. "+
			"Not for a release that Argo CD, Flux or Terraform reconciles: take the values back where they are committed.", t.helm("rollback "+t.release()+" "+t.revision())),
	)
}

func (t *teller) handOff(engine.Step) Section {
	look := t.reads()
	return Section{
		Already: parts(run("Every workload names the target.", look)),
		Do: join(t.values(), parts(
			say("Commit them where the tool that reconciles the release takes its values from, and nothing else with them."),
			run("Then let it apply them, and keep the application at zero until every workload names the target.", "# Flux: flux resume helmrelease NAME --namespace NAMESPACE\n# Argo CD: argocd app sync NAME\n# Terraform: terraform apply\n"+t.counts()))),
		Done: parts(run("", look)),
		Undo: parts(say("Take the values back where they are committed and let the tool apply that, before the application has written to the target.")),
	}
}

func (t *teller) commit(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)
	mark := hands[e].lineage
	record := t.record("lineage-" + string(e))
	after := "There is no way back once the application has written to the target: then there is only forward."
	return Section{
		Already: parts(run("Whose turn it is, by both servers and by the cluster's record; the target says authoritative, the source superseded. No such database or record: the tool knows of no move.",
			mark(d)+"\n"+mark(s)+"\n"+record)),
		Do: parts(run("By hand it is a decision and no command: from here on nobody starts the application on the source again, and its fence stays. See that it stands.", hands[e].fenceLook(s)),
			say("The marks are the tool's own, and nothing reads them but the tool. Do not write them by hand. Did the tool begin this move, let it commit: the same apply finds what is done and goes on. "+
				"Did you do all of it by hand, its next plan says that the datastore was already there when first seen: settled, unproven.")),
		Done: parts(run("", record)),
		Undo: parts(say(after)),
	}
}

func (t *teller) settle(engine.Step) Section {
	return Section{
		Already: parts(run("The newest revision is deployed, and its description is not that of the switch, whose manifest holds the application at zero.", t.history())),
		Do: parts(run("The same values once more, without what held the application at zero.", t.ownValues()+"\n"+t.upgrade("")+"\nrm -f own.yaml"),
			run("Counts that no values file knows come back.", t.recordedCounts()), run("", t.scaleBack())),
		Done: parts(run("", t.history()+"\n"+t.counts())),
		Undo: parts(say("Nothing needs it: a revision more, with the application up.")),
	}
}
