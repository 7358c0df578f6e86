package runbook

import (
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// engineOf is the datastore that a step is about.
func engineOf(st engine.Step) mover.Engine {
	if e := mover.Engine(st.Args["engine"]); e != "" {
		return e
	}
	return mover.PostgreSQL // steps of the first versions were about no other
}

func (t *teller) credentials(st engine.Step) Section {
	e := engineOf(st)
	have := t.n.Store(e)
	name, keys := have.Credentials, slices.Clone(have.Keys)
	if name == "" {
		name = server.CredentialsName(e)
	}
	if len(keys) == 0 {
		keys = server.CredentialsKeys(e)
	}
	variable := `"$` + t.on(e, spec.External).prefix() + `_PASSWORD"`
	var files []string
	same := ""
	for _, key := range keys {
		files = append(files, "--from-file="+templateText(key)+"=<(printf %s "+variable+")")
		same += "[ " + variable + ` = "$(` + t.key("secret", word(name), key) + `)" ] && echo "` + templateText(key) + ` holds the password"` + "\n"
	}
	look := strings.TrimRight(same, "\n")
	return Section{
		Already: parts(run("A line for each key that the chart may read. Nothing is printed of what they hold.", look)),
		Do: parts(run("The password goes through pipes. Where External Secrets or another controller keeps a Secret of that name, add what is missing there instead.",
			t.kubectl("create secret generic "+word(name)+" \\\n  "+strings.Join(files, " \\\n  ")+" \\\n  --dry-run=client -o yaml |")+"\n"+t.kubectl("apply --server-side -f -")+"\n"+
				t.kubectl("label --overwrite secret "+word(name)+" "+oursLabel))),
		Done: parts(run("", look)),
		Undo: parts(run("Only while the release does not read it yet.", t.kubectl("delete secret "+word(name)))),
	}
}

func (t *teller) protect(st engine.Step) Section {
	e := engineOf(st)
	volumes, policies := t.volumes(e)
	kinds := belongingKinds + " -l " + t.labels(e)
	keep := func(sign string) string {
		return t.kubectl("annotate --overwrite "+kinds+" helm.sh/resource-policy"+sign) + "\n" +
			t.kubectl("annotate --overwrite statefulset/"+t.store(e)+" service/"+t.store(e)+" secret/"+t.store(e)+" helm.sh/resource-policy"+sign)
	}
	look := t.anywhere("get pv "+strings.Join(volumes, " ")+" -o custom-columns='NAME:.metadata.name,POLICY:.spec.persistentVolumeReclaimPolicy,CLAIM:.spec.claimRef.name'") + "\n" +
		t.belongings(e)
	var retain, back []string
	for i, v := range volumes {
		retain = append(retain, t.anywhere("patch pv "+v+` --patch '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`))
		if policies[i] != "" && policies[i] != "Retain" {
			back = append(back, t.anywhere("patch pv "+v+" --patch "+word(`{"spec":{"persistentVolumeReclaimPolicy":"`+policies[i]+`"}}`)))
		}
	}
	return Section{
		Already: parts(run("The volume says Retain, and every object keep.", look)),
		Do: parts(run("Helm looks at the live object before it deletes one. A StatefulSet may delete its claims when it goes itself.", strings.Join(retain, "\n")+"\n"+keep("=keep")+"\n"+
			t.kubectl("patch statefulset "+t.store(e)+` --patch '{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain"}}}'`))),
		Done: parts(run("", look)),
		Undo: parts(run("Where the release keeps the server after all.", strings.Join(append([]string{keep("-")}, back...), "\n"))),
	}
}

// belongingKinds are the kinds of a datastore's own objects, as kubectl takes them.
var belongingKinds = strings.ToLower(strings.Join(server.Belongings, ","))

// belongings shows a datastore's own objects, and whether Helm keeps them.
func (t *teller) belongings(e mover.Engine) string {
	return t.kubectl("get " + belongingKinds + " -l " + t.labels(e) + ` -o custom-columns='KIND:.kind,NAME:.metadata.name,POLICY:.metadata.annotations.helm\.sh/resource-policy'`)
}

// volumes are a datastore's volumes with the policies they had.
func (t *teller) volumes(e mover.Engine) (names, policies []string) {
	for _, v := range t.n.Store(e).Volumes {
		if v.Name != "" {
			names, policies = append(names, word(v.Name)), append(policies, v.ReclaimPolicy)
		}
	}
	if len(names) > 0 {
		return names, policies
	}
	find := t.kubectl("get pvc -l " + t.labels(e) + " -o go-template='{{range .items}}{{.spec.volumeName}}{{end}}'")
	return []string{t.known("", variable{name: hands[e].prefix + "_VOLUME", find: find})}, []string{""}
}

func (t *teller) remove(st engine.Step) Section {
	e := engineOf(st)
	name := t.store(e)
	look := t.kubectl("get statefulset,service,pod,pvc,secret -l " + t.labels(e))
	return Section{
		Already: parts(run("No StatefulSet and no pod is listed; claims and the Secret stay.", look)),
		Do: parts(run("Only when the release reads the other side, and the volume says Retain: then the data stay where they are.",
			t.kubectl("delete statefulset "+name+" --cascade=foreground --ignore-not-found")+"\n"+
				t.kubectl("delete service,configmap,serviceaccount -l "+t.labels(e)))),
		Done: parts(run("The claim is still bound, and its volume says Retain.", look+"\n"+t.kubectl("get pvc"))),
		Undo: parts(say("The volume and the Secret stay. location: internal brings the server back on them; by hand that is a helm upgrade with " + string(e) + ".internal: true. What was written outside since is not on it.")),
	}
}
