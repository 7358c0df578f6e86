package runbook

import (
	"maps"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// counts shows the application's workloads.
func (t *teller) counts() string {
	return t.kubectl("get deployments,statefulsets,cronjobs -l " + layerLabel + ` -o custom-columns='KIND:.kind,NAME:.metadata.name,WANTED:.spec.replicas,READY:.status.readyReplicas,SUSPENDED:.spec.suspend,RECORDED:.metadata.annotations.circleci-dr/replicas'`)
}

func (t *teller) pods() string { return t.kubectl("get pods -l " + layerLabel) }

// recordedCounts writes a line "KIND NAME COUNT" for every workload that carries
// the annotation.
func (t *teller) recordedCounts() string {
	return t.kubectl(`get deployments,statefulsets,cronjobs -o go-template='{{range $w := .items}}{{with $w.metadata.annotations}}{{with index . "` + replicasKey + `"}}{{$w.kind}} {{$w.metadata.name}} {{.}}{{"\n"}}{{end}}{{end}}{{end}}' > replicas.txt` + "\ncat replicas.txt")
}

// copiedCounts takes them from the record of the move, their second copy.
func (t *teller) copiedCounts() string {
	return "[ -s replicas.txt ] ||\n  " + t.record("move") + ` | grep -oE '"(Deployment|StatefulSet|CronJob)/[^"/]+":[0-9]+' | tr -d '"' | tr '/:' '  ' > replicas.txt` + "\ncat replicas.txt"
}

// scaleBack scales every workload to its line of replicas.txt.
func (t *teller) scaleBack() string {
	return `while read -r kind name count; do
  if [ "$kind" != CronJob ]; then
    ` + t.kubectl(`scale "$kind/$name" --replicas="$count" </dev/null`) + `
  elif [ "$count" != 0 ]; then
    ` + t.kubectl(`patch cronjob "$name" --patch '{"spec":{"suspend":false}}' </dev/null`) + `
  fi
done < replicas.txt`
}

// workloads are the known ones, as kubectl names them.
func (t *teller) workloads() []string { return slices.Sorted(maps.Keys(t.n.Workloads)) }

// object is a workload as kubectl names it.
func object(key string) string {
	kind, name, _ := strings.Cut(key, "/")
	return word(strings.ToLower(kind) + "/" + name)
}

func (t *teller) recordReplicas(engine.Step) Section {
	var lines []string
	for _, key := range t.workloads() {
		lines = append(lines, t.kubectl("annotate --overwrite "+object(key)+" "+replicasKey+"="+itoa(t.n.Workloads[key])))
	}
	if len(lines) == 0 {
		lines = []string{t.kubectl("get deployments,statefulsets -l "+layerLabel+` -o go-template='{{range .items}}{{.kind}}/{{.metadata.name}} {{.spec.replicas}}{{"\n"}}{{end}}'`) + ` |
while read -r workload count; do
  ` + t.kubectl(`annotate --overwrite "$workload" `+replicasKey+`="$count" </dev/null`) + `
done`}
	}
	return Section{
		Already: parts(run("The column RECORDED is filled for every workload, with the count that shall come back; a CronJob counts 1, and 0 while it is suspended.", t.counts())),
		Do:      parts(run("An annotation on each workload. An upgrade with --force loses annotations, so keep the list as well.", strings.Join(lines, "\n")+"\n"+t.recordedCounts())),
		Done:    parts(run("", t.counts())),
		Undo:    parts(run("Nothing reads the annotation while the application is up.", t.kubectl("annotate deployments,statefulsets,cronjobs -l "+layerLabel+" "+replicasKey+"-"))),
	}
}

func (t *teller) quiesce(engine.Step) Section {
	return Section{
		Already: parts(run("Every workload wants 0 and every CronJob is suspended; no pod is left.", t.counts()+"\n"+t.pods())),
		Do: parts(run("The downtime begins here. The counts have to be recorded before.", t.kubectl("scale deployment,statefulset -l "+layerLabel+" --replicas=0")+"\n"+
			t.kubectl("get cronjobs -l "+layerLabel+" -o name")+" |\nwhile read -r job; do\n  "+t.kubectl(`patch "$job" --patch '{"spec":{"suspend":true}}' </dev/null`)+"\ndone")),
		Done: parts(run("Until no pod is listed, and no Job of the application runs. Whatever else writes to the database, such as a DaemonSet, has to be stopped as well.", t.pods()+"\n"+t.kubectl("get jobs"))),
		Undo: t.startAgain(),
	}
}

// startAgain brings the recorded counts back.
func (t *teller) startAgain() []Part {
	return parts(
		run("The counts that the workloads remember:", t.recordedCounts()),
		run("Their second copy, in the tool's record of the move: it is taken where that list is empty, as an upgrade with --force leaves it.", t.copiedCounts()),
		run("Every workload to its count:", t.scaleBack()),
	)
}

func (t *teller) resume(engine.Step) Section {
	do := t.startAgain()
	if len(t.n.Workloads) > 0 {
		var lines []string
		for _, key := range t.workloads() {
			lines = append(lines, "# "+reconcile.OneLine(key)+": "+itoa(t.n.Workloads[key]))
		}
		do = append(parts(run("The counts when the plan was made, to compare:", strings.Join(lines, "\n"))), do...)
	}
	return Section{
		Already: parts(run("READY is what is WANTED everywhere, and that is the recorded count.", t.counts())),
		Do:      do,
		Done: join(parts(run("Ready, and not talking to the wrong server: the application's user has connections on the target.", t.counts()+"\n"+t.pods())),
			t.sessions(), parts(run("Then the annotations have done their work.", t.kubectl("annotate deployments,statefulsets,cronjobs -l "+layerLabel+" "+replicasKey+"-")))),
		Undo: parts(say("From the application's first write to the target there is only forward. As long as it wrote nothing there: stop it, lift the source's fence, roll the release back, and start it again.")),
	}
}

// sessions shows who is connected to the targets.
func (t *teller) sessions() []Part {
	var out []Part
	for _, s := range t.n.Stores {
		if s.To == "" {
			continue
		}
		at := t.target(s.Engine)
		out = append(out, run("", hands[s.Engine].sessions(at)))
	}
	if len(out) == 0 {
		at := "the target"
		if t.inwards {
			at = "the server in the cluster"
		}
		out = parts(say("On " + at + ": select datname, usename, count(*) from pg_stat_activity group by 1, 2."))
	}
	return out
}

// inwards tells the direction of a plan: what it says, or what only one of the
// two has steps for.
func inwards(p engine.Plan) bool {
	if n := reconcile.NamesIn(p); n != nil {
		for _, s := range n.Stores {
			if s.To != "" {
				return s.To == spec.Internal
			}
		}
	}
	for _, st := range p.Steps {
		switch st.Action {
		case reconcile.ActProtect, reconcile.ActRemove, reconcile.ActCredentials, reconcile.ActHandOff, reconcile.ActSetAside:
			return false
		default: // both have it
		}
	}
	return len(p.Steps) > 1
}
