package spec

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// external checks what location says against the block that is there.
func external(r *reporter, p path, location Location, given bool) {
	block := p.key("external")
	switch {
	case location == External && !given && !r.has(block):
		r.at(r.placeOf(p.key("location")), block, CodeMissing, "is required because location is external", "", exampleHint(block))
	case location == Internal && given:
		r.note(block, CodeNote, "is used for a move only; while location is internal it says where the data come back from", "")
	}
}

func postgresqlExternal(r *reporter, s *Spec) {
	pg := s.Datastores.PostgreSQL
	if pg == nil {
		return
	}
	p := path{"datastores", "postgresql"}
	external(r, p, pg.Location, pg.External != nil)
	if pg.External == nil {
		return
	}
	p = p.key("external")
	if want, hint := badHost(pg.External.Host); want != "" {
		r.add(p.key("host"), CodeValue, want, showText(pg.External.Host), hint)
	}
	tls := p.key("tls")
	switch pg.External.TLS.Mode {
	case TLSDisable:
		if r.has(tls.key("ca")) {
			r.add(tls.key("ca"), CodeRule, "has no effect with mode disable", "", "set mode: verify-full, or remove ca")
		}
		r.note(tls.key("mode"), CodeFinding, "is disable: the password's proof and all data cross the network in clear", "verify-full checks who answers")
	case TLSRequire:
		if r.has(tls.key("ca")) {
			r.add(tls.key("ca"), CodeRule, "has no effect with mode require", "", "set mode: verify-full, or remove ca")
		}
		r.note(tls.key("mode"), CodeFinding, "is require: traffic is encrypted, and nobody checks who answers", "verify-full checks who answers")
	default: // verify-ca and verify-full check who answers
	}
}

func mongodbExternal(r *reporter, s *Spec) {
	mg := s.Datastores.MongoDB
	if mg == nil {
		return
	}
	p := path{"datastores", "mongodb"}
	external(r, p, mg.Location, mg.External != nil)
	if mg.External == nil {
		return
	}
	p = p.key("external")
	for i, host := range mg.External.Hosts {
		if want, hint := badHostPort(host); want != "" {
			r.add(p.key("hosts").index(i), CodeValue, want, showText(host), hint)
		}
	}
	mongodbOptions(r, p.key("options"), mg.External.Options)
	if own, err := OwnMongoOptions(mg.External.Options); err == nil && own["directconnection"] == "true" && len(mg.External.Hosts) > 1 {
		r.add(p.key("options"), CodeRule, "must not ask for a direct connection to several hosts", "option directConnection", "remove it, or name one host")
	}
	tls := p.key("tls")
	if on := mg.External.TLS.Enabled; on != nil && !*on {
		for _, name := range []string{"ca", "clientCertificate"} {
			if r.has(tls.key(name)) {
				r.add(tls.key(name), CodeRule, "has no effect with enabled: false", "", "remove it, or enable TLS")
			}
		}
		r.note(tls.key("enabled"), CodeFinding, "is false: all data cross the network in clear", "enable TLS")
	}
}

// mongodbFields maps options of a connection string to the field that says it.
var mongodbFields = map[string]string{
	"authsource": "authSource", "authmechanism": "mechanism", "replicaset": "replicaSet",
	"tls": "tls.enabled", "ssl": "tls.enabled", "tlscafile": "tls.ca", "tlscertificatekeyfile": "tls.clientCertificate",
}

// mongodbOptions never shows the options: they are where people put secrets.
func mongodbOptions(r *reporter, p path, text string) {
	if text == "" {
		return
	}
	query, err := url.ParseQuery(text)
	incomplete := func(item string) bool { return item != "" && !strings.Contains(item, "=") }
	if err != nil || slices.ContainsFunc(strings.Split(text, "&"), incomplete) || strings.HasPrefix(text, "?") || strings.ContainsAny(text, " \t") || strings.Contains(text, "://") {
		r.add(p, CodeValue, "must be NAME=VALUE, joined by '&'", "", "for example retryWrites=false&w=majority, URL-encoded and without a leading '?'")
		return
	}
	for _, name := range sortedNames(query) {
		low := strings.ToLower(name)
		switch {
		case strings.Contains(low, "password") || low == "authmechanismproperties":
			r.add(p, CodeSecret, "must not hold credentials", "options that are not shown", "secrets are references; see password and tls.clientCertificate")
			continue
		case low == "tlsinsecure" || low == "tlsallowinvalidcertificates" || low == "tlsallowinvalidhostnames":
			r.note(p, CodeFinding, "turns the check of who answers off", "give tls.ca instead")
		case mongodbFields[low] != "":
			r.add(p, CodeRule, "must not say what has a field of its own", "option "+name, "use "+mongodbFields[low])
			continue
		}
		mongodbOption(r, p, name, query[name])
	}
}

var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?\.?$`)

// badHost says what is wrong with a host that has its port elsewhere.
func badHost(host string) (want, hint string) {
	switch {
	case host == "":
		return "", ""
	case strings.Contains(host, "://"):
		return "must be a host without a scheme", "write the host alone; user, password and port have their own fields"
	case strings.Contains(host, "@"):
		return "must be a host without a user", "user and password have their own fields"
	case isAddress(host):
		return "", ""
	case hasPort(host):
		return "must be a host without a port", "write the host alone; a port has a field of its own where one can be given"
	case strings.HasPrefix(host, "/"):
		return "must be a host, not the path of a socket", "the mover runs in the cluster and connects by TCP"
	case strings.Contains(host, ","):
		return "must be one host", "write the address that follows the primary"
	case !hostName.MatchString(host) || looksLikeBadAddress(host):
		return "must be a host name or an IP address", "for example pg.example.com"
	}
	return "", ""
}

func badHostPort(host string) (want, hint string) {
	switch {
	case host == "":
		return "", ""
	case strings.HasPrefix(host, "mongodb+srv://"):
		return "must be the hosts that the SRV record lists, not its name", srvHint(host)
	case strings.Contains(host, "://"):
		return "must be host or host:port, without a scheme", "write one item per host; user, password and options have their own fields"
	case strings.Contains(host, ","):
		return "must be one host", "write a list: [host1:27017, host2:27017]"
	case strings.Contains(host, "@"):
		return "must be a host without a user", "user and password have their own fields"
	case isAddress(host):
		return "", ""
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		want, hint = badHost(host)
		return want, hint
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "must have a port from 1 to 65535", "27017 is MongoDB's own"
	}
	if name == "" {
		return "must name a host before the port", "for example mongo-0.example.com:27017"
	}
	return badHost(name)
}

// srvHint says how to get the list of hosts behind a mongodb+srv:// address.
// It is not looked up here: a plan binds to the hosts it was made for, and a
// record that changes between plan and apply would move the data elsewhere; the
// application's chart wants the list as well.
func srvHint(address string) string {
	name := "NAME"
	if u, err := url.Parse(address); err == nil && hostName.MatchString(u.Hostname()) {
		name = u.Hostname()
	}
	return fmt.Sprintf("the list is what `dig +short SRV _mongodb._tcp.%[1]s` prints from where the cluster's DNS answers, host and port of each line as one item of hosts; "+
		"`dig +short TXT %[1]s` prints authSource and replicaSet, which have fields of their own; mongodb+srv means TLS, which is on by default", name)
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil
}

var dotted = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

func looksLikeBadAddress(host string) bool { return dotted.MatchString(host) }

func hasPort(host string) bool {
	_, port, err := net.SplitHostPort(host)
	return err == nil && port != ""
}
