package server

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Installation is what was read of an installation that no file describes yet.
type Installation struct {
	// Context is the kubeconfig context it was read by.
	Context string
	DeclaredRelease
	// Secrets are those that may hold the password of an external server, by
	// name.
	Secrets map[string]engine.Observed[SecretInfo]
}

// ReadInstallation reads what a first file is written from, besides the
// release. It changes nothing and sees no password.
func ReadInstallation(ctx context.Context, kubeContext string, rel DeclaredRelease, p Passwords) Installation {
	out := Installation{Context: kubeContext, DeclaredRelease: rel, Secrets: map[string]engine.Observed[SecretInfo]{}}
	for _, e := range Engines() {
		for _, name := range secretsWithPassword(e, rel.Release.Store(e)) {
			out.Secrets[name] = p.Info(ctx, name)
		}
	}
	return out
}

// Draft is a first spec of an installation: everything as it is today, with
// what its reader has to know and to decide.
type Draft struct {
	Spec spec.Spec
	// Head is what stands above the file.
	Head []string
	// Remarks are what is to be known of a field, by its path, instead of what the
	// schema says of it. A question to the reader begins with "decide".
	Remarks map[string][]string
	// Offers are fields to be filled in, with the schema's own examples: they are
	// written as comments.
	Offers []string
}

// DraftOf writes down where the datastores live today; notes are what the reader
// of the file is told beside that, at its head. It is pure.
func DraftOf(in Installation, notes ...string) Draft {
	rel := in.Release
	d := Draft{Remarks: map[string][]string{}, Spec: spec.Spec{
		APIVersion: spec.APIVersion, Name: nameFor(rel.Name),
		Server: &spec.Server{KubeContext: in.Context, Namespace: rel.Namespace, Release: rel.Name},
	}}
	d.Head = append([]string{
		fmt.Sprintf("Written by circleci-dr init from revision %d of Helm release %s (%s-%s, %s).", rel.Revision, rel.Name, rel.Chart, rel.ChartVersion, rel.Status),
		"It says where the data lives today, so a plan of it has no steps. A comment that begins with \"decide\" is a question to you; " +
			"every field is explained in docs/spec-reference.md.",
	}, notes...)
	d.remark("name", "decide: names and labels everything circleci-dr creates")
	d.server(rel)
	for _, k := range storeKinds {
		k.draft(&d, in)
	}
	d.rest()
	return d
}

func (d *Draft) remark(field, text string) { d.Remarks[field] = append(d.Remarks[field], text) }

func (d *Draft) offer(below string, fields ...string) {
	for _, f := range fields {
		d.Offers = append(d.Offers, strings.TrimPrefix(below+"."+f, "."))
	}
}

var (
	notInName     = regexp.MustCompile(`[^a-z0-9-]+`)
	versionInFile = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([-+].*)?$`)
)

// nameFor makes a spec's name, of at most 40 letters, digits and dashes, of a
// release's.
func nameFor(release string) string {
	name := notInName.ReplaceAllString(release, "-")
	return strings.Trim(name[:min(40, len(name))], "-")
}

func (d *Draft) server(rel Release) {
	if rel.Status != "deployed" {
		d.remark("server.release", fmt.Sprintf("decide: the newest revision, %d, is %s and not deployed, so what runs may be an older one, with other values. To see them:\n  helm --kube-context %s --namespace %s history %s",
			rel.Revision, rel.Status, shellWord(d.Spec.Server.KubeContext), rel.Namespace, rel.Name))
	}
	d.remark("server.chart", "decide: where the chart comes from: an oci:// address, a directory or a .tgz. A release does not say it, and a move needs it")
	d.remark("server.values", "decide: your own values files, in Helm's order. plan and drift then report what in them would undo a move")
	d.offer("server", "chart", "values")
	if versionInFile.MatchString(rel.ChartVersion) {
		d.Spec.Server.Version = rel.ChartVersion
		if _, known := SupportOf(rel.ChartVersion); !known {
			d.remark("server.version", "circleci-dr does not know this version of Server: it goes by what the live servers say")
		}
	} else {
		d.remark("server.version", fmt.Sprintf("the deployed chart calls itself %q, and this field takes three numbers only", rel.ChartVersion))
		d.offer("server", "version")
	}
	d.remark("server.managedBy", rel.Evidence)
	if rel.Manager == spec.ManagedByHelm || rel.Manager == "" {
		d.offer("server", "managedBy")
	} else {
		d.Spec.Server.ManagedBy = rel.Manager
	}
}

func (d *Draft) heard(remarks []remark) {
	for _, r := range remarks {
		d.remark(r.field, r.text)
	}
}

func (d *Draft) internal(e mover.Engine, live ReleaseStore) {
	name := ""
	if live.FullName != string(e) {
		name = ", under the name " + live.FullName
	}
	d.remark(FieldOf(e, "location"), "in the release"+name+". To move it out, fill the block below and write external here")
}

// external is what both engines have to say of a server outside the release.
func (d *Draft) external(in Installation, e mover.Engine, username *string) spec.SecretRef {
	field := FieldOf(e, "external")
	if *username == "" {
		*username = KindOf(e).Superuser
		d.remark(field+".username", "decide: the release names no user. plan refuses this file until both name the same one")
	}
	d.offer(field, "diskGiB")
	ref, remarks := passwordOf(in, e)
	for _, text := range remarks {
		d.remark(field+".password", text)
	}
	return ref
}

// trust offers the authority of a server that has one of its own.
func (d *Draft) trust(rel Release, e mover.Engine, encrypts bool) {
	if !encrypts {
		return
	}
	field := FieldOf(e, "external.tls.ca")
	if n := len(rel.Trust.Certificates); n > 0 {
		d.remark(field, fmt.Sprintf("decide: the application trusts %d certificates of its own (tls.certificates). If the authority of this server is one of them, put it into a file and name that here", n))
	}
	d.offer("", field)
}

// rest offers what no release can say.
func (d *Draft) rest() {
	d.remark("backup", "decide: this version makes no backup. It checks this block and shows it as declared, not enforced: keep the backups you have")
	d.offer("backup", "schedule", "retention.days", "retention.minimumGood", "encryption.age.recipients", "preUpgrade", "store", "objectives.rpo", "objectives.rto")
	d.remark("backup.encryption.age.recipients", "decide: this recipient is an example; write what age-keygen -y prints for your own key")
	d.remark("restore", "decide: this version restores nothing. It checks this block and shows it as declared, not enforced")
	d.offer("restore", "target.kubeContext", "target.namespace")
	d.offer("mover", "image")
}
