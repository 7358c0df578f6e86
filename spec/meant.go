package spec

import (
	"regexp"
	"slices"
	"strings"
)

// otherNames are names of other tools and formats, folded, and the field that is
// meant by them where there is one of that name.
var otherNames = map[string]string{
	"context": "kubeContext", "cluster": "kubeContext",
	"releasename": "release", "helmrelease": "release",
	"chartversion": "version", "valuesfiles": "values", "valuefiles": "values",
	"user": "username", "hostname": "host", "address": "host", "endpoint": "host",
	"ssl": "tls", "sslmode": "mode", "cacert": "ca", "cafile": "ca", "sslrootcert": "ca",
}

// meantHint is what is said of a key whose meaning is known although no field
// has a name like it.
func meantHint(name string, parent path, siblings []string) string {
	switch word := fold(name); {
	case len(parent) == 0 && word == "spec":
		return "there is no block around the fields: write what stands in it at the top of the file"
	case len(parent) == 0 && (word == "kind" || word == "metadata"):
		return "this file is no Kubernetes object: apiVersion and name at the top are all it needs"
	case len(parent) > 0 && parent[len(parent)-1] == "secret" && refPath(parent[:len(parent)-1]) == len(parent)-1 && word == "namespace":
		return "remove it: the Secret is read from the release's own namespace, and has to be there"
	case slices.Contains(siblings, otherNames[word]):
		return "did you mean \"" + otherNames[word] + "\"?"
	}
	return ""
}

// wrapped tells that a field is not missing at the top of the file, but stands
// in a block around it: that block is reported, and once is enough.
func wrapped(p path, n *node, name string) bool {
	return len(p) == 0 && (n.lookup(path{"spec", name}) != nil || n.lookup(path{"metadata", name}) != nil)
}

// refKeys are what other formats call a reference to a Secret. They may be shown:
// no password looks like them.
var refKeys = map[string]string{
	"secretkeyref": "in place of secretKeyRef ", "valuefrom": "in place of valueFrom ", "secretref": "in place of secretRef ",
	"existingsecret": "in place of existingSecret ", "secretname": "in place of secretName ",
	"name": "name and key stand in a block of their own: ", "key": "name and key stand in a block of their own: ",
}

// refKeyHint words a key of a reference that is none of its kinds.
func refKeyHint(name string, kinds []string) string {
	if text, known := refKeys[fold(name)]; known {
		return text + "write {secret: {name: NAME, key: KEY}}"
	}
	if near := nearest(name, kinds, 2); near != "" {
		return "did you mean \"" + near + "\"? " + refHint
	}
	return refHint
}

// certificateFile is what may be shown of an authority that was written as its
// file's name alone.
var certificateFile = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,60}\.(pem|crt|cer|ca)$`)

// badAuthority words an authority's certificates that stand where a reference to
// them belongs. They are public: nobody has to change a password for it.
func (r *reporter) badAuthority(p path, n *node) {
	const want = "must be a reference to the certificates"
	switch {
	case certificateFile.MatchString(n.text):
		r.add(p, CodeSecret, want, "a file's name alone", "write {file: "+n.text+"}")
	case strings.Contains(n.text, "-----BEGIN CERTIFICATE") && !strings.Contains(n.text, "PRIVATE KEY"):
		r.add(p, CodeSecret, want, "the certificates themselves", "put them into a file beside this one and write {file: ca.pem}")
	case looksSecret(n.text):
		r.add(p, CodeSecret, want, "something that is not shown", "write {file: ca.pem} with the name of the file; if a key or a password was in it, change it: it has been in this file")
	default:
		r.add(p, CodeSecret, want, string(n.kind)+" that is not shown", "write {file: ca.pem} with the name of the file, or {secret: {name: NAME, key: KEY}}")
	}
}
