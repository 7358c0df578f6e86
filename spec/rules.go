package spec

import (
	"strings"
)

// rule looks at a spec whose broken parts were left out. It skips what is
// empty: a missing field is the schema's finding.
type rule func(r *reporter, s *Spec)

// rules holds what the schema cannot say; the names are for readers of a
// profile.
var rules = []rule{
	oneGeneration,
	machineHasNoDatastores,
	machineHost,
	chartWithoutCredentials,
	postgresqlExternal,
	mongodbExternal,
	scheduleAndObjectives,
	retentionFitsSchedule,
	oneEncryption,
	ageRecipients,
	storeAddress,
	preUpgradeOff,
	restoreElsewhere,
	moverQuantities,
	moverTolerations,
	moverLabels,
	moverPodLabels,
}

func checkRules(r *reporter, s *Spec) {
	for _, check := range rules {
		check(r, s)
	}
}

func oneGeneration(r *reporter, _ *Spec) {
	server, machine := path{"server"}, path{"servicesMachine"}
	switch {
	case r.has(server) && r.has(machine):
		r.add(machine, CodeRule, "must not be given together with server", "both", "keep the block of the installation this file is about; another installation gets a file of its own")
	case !r.has(server) && !r.has(machine) && !wrapped(nil, r.root, "server") && !wrapped(nil, r.root, "servicesMachine"):
		r.add(server, CodeMissing, "is required, or servicesMachine", "", `server for a Helm release (4.x), for example server: {namespace: circleci-server, release: circleci-server}; servicesMachine for a VM (1.x, 2.x)`)
	}
}

// machineHasNoDatastores: a services machine has everything on its root disk.
func machineHasNoDatastores(r *reporter, _ *Spec) {
	if !r.has(path{"servicesMachine"}) || r.has(path{"server"}) {
		return
	}
	for _, name := range []string{"postgresql", "mongodb"} {
		p := path{"datastores", name}
		location := r.root.lookup(p.key("location"))
		if location != nil && location.text == string(External) {
			r.add(p.key("location"), CodeRule, "must be internal on a services machine", `"external"`, "datastores of a services machine are not moved; back up external ones with their own tools and leave the block out")
		}
	}
	if r.has(path{"restore", "target"}) {
		r.note(path{"restore", "target"}, CodeNote, "names a Kubernetes cluster, and a services machine is restored as a machine", "")
	}
}

func machineHost(r *reporter, s *Spec) {
	if s.ServicesMachine == nil || s.ServicesMachine.SSH == nil {
		return
	}
	host := s.ServicesMachine.SSH.Host
	if want, hint := badHost(host); want != "" {
		r.add(path{"servicesMachine", "ssh", "host"}, CodeValue, want, showText(host), hint)
	}
}

func chartWithoutCredentials(r *reporter, s *Spec) {
	if s.Server == nil || !strings.Contains(s.Server.Chart, "://") {
		return
	}
	p := path{"server", "chart"}
	if looksSecret(s.Server.Chart) {
		r.add(p, CodeSecret, "must not hold credentials", "a value that is not shown", "log in with helm registry login and write the address without user and password")
	} else if scheme, _, _ := strings.Cut(s.Server.Chart, "://"); scheme != "oci" {
		r.add(p, CodeValue, "must be an oci:// address, a directory or a .tgz archive", showText(s.Server.Chart), "fetch the chart and name the archive")
	}
}

func restoreElsewhere(r *reporter, s *Spec) {
	if s.Restore == nil || s.Server == nil || s.Server.KubeContext == "" {
		return
	}
	live, target := s.Server, s.Restore.Target
	if live.KubeContext == target.KubeContext && live.Namespace == target.Namespace && live.Namespace != "" {
		r.add(path{"restore", "target"}, CodeRule, "must not be the live installation", "the context and the namespace of server",
			"restore into another cluster, or at least into another namespace")
	}
}

func preUpgradeOff(r *reporter, s *Spec) {
	if s.Backup != nil && s.Backup.PreUpgrade == PreUpgradeOff {
		r.note(path{"backup", "preUpgrade"}, CodeFinding, "is off: upgrades run without a fresh backup, and there is no other way back", "required makes each upgrade take one first")
	}
}
