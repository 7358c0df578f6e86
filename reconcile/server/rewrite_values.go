package server

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// NewRewriting compares a release's values, defaults applied, with those of an
// upgrade that moves some datastores. What belongs to another datastore is
// never rewritten.
func NewRewriting(namespace string, moving []mover.Engine, was, will map[string]any) *Rewriting {
	r := &Rewriting{}
	for _, e := range moving {
		from, _ := was[string(e)].(map[string]any)
		to, _ := will[string(e)].(map[string]any)
		old, young := settingsOf(e, namespace, from), settingsOf(e, namespace, to)
		for _, name := range slices.Sorted(maps.Keys(joined(old, young))) {
			r.add(e, name, old[name], young[name])
		}
	}
	// The longest first, and in an order that is always the same.
	for _, list := range [][]rewrite{r.pairs, r.was, r.will} {
		slices.SortStableFunc(list, func(a, b rewrite) int {
			return cmp.Or(len(b.from)-len(a.from), len(b.to)-len(a.to), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
		})
	}
	return r
}

func joined(a, b map[string][]string) map[string][]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// add takes every way to write a setting's old value together with every way
// to write the new one.
func (r *Rewriting) add(e mover.Engine, name string, old, young []string) {
	address := strings.HasPrefix(name, addressPrefix)
	for _, text := range old {
		r.was = appendNew(r.was, rewrite{e, "", text, address})
	}
	for _, text := range young {
		r.will = appendNew(r.will, rewrite{e, "", text, address})
	}
	if name == settingOptions { // they come and go with what separates them
		old, young = separated(old), separated(young)
	}
	for _, from := range old {
		for _, to := range young {
			if from != to {
				r.pairs = appendNew(r.pairs, rewrite{e, from, to, address})
			}
		}
	}
}

// separated are options as they stand in a connection string, or nothing.
func separated(options []string) []string {
	if len(options) == 0 {
		return []string{""}
	}
	return []string{options[0], "?" + options[0], "&" + options[0], options[0] + "&"}
}

func appendNew(list []rewrite, p rewrite) []rewrite {
	if slices.Contains(list, p) {
		return list
	}
	return append(list, p)
}

// The names of settings that are more than a value: addresses, and options.
const (
	addressPrefix  = "address"
	settingOptions = "options"
)

// settingsOf is what a release's block of values says of a datastore, by name,
// in every way in which a chart may write it; the chart's own rules for what is
// left out are applied (values table of Server 4.x).
func settingsOf(e mover.Engine, namespace string, block map[string]any) map[string][]string {
	out := map[string][]string{}
	t := KindOf(e)
	internal := block["internal"] == true
	name := cmp.Or(textAt(block, "fullnameOverride"), string(e))
	out["internal"] = []string{ValueText(internal)}
	out["secret"] = []string{cmp.Or(textAt(block, "auth", "existingSecret"), name)}
	out["user"], out["key"] = escaped(textAt(block, "auth", "username")), t.Keys
	if internal {
		out["user"], out["key"] = append(out["user"], escaped(t.Superuser)...), t.ChartKeys
	}
	hosts, secure := t.values.hosts(block, name)
	if t.values.listed {
		for _, sep := range []string{",", ", ", `","`, `", "`, " "} {
			out[addressPrefix+" list"] = append(out[addressPrefix+" list"], strings.Join(hosts, sep))
		}
	}
	if internal { // its Service, whatever the values call it
		hosts = append(hosts, hostPort(name, strconv.Itoa(t.port)))
	}
	for _, seed := range hosts {
		host, port := mover.SplitSeed(strings.TrimSpace(seed))
		out[addressPrefix] = append(out[addressPrefix], spellings(host, namespace, internal)...)
		out["port"] = append(out["port"], strconv.Itoa(port))
	}
	out["tls"], out["sslmode"] = []string{"false"}, []string{"disable", "allow", "prefer"}
	if secure {
		out["tls"], out["sslmode"] = []string{"true"}, []string{"require", "verify-ca", "verify-full"}
	}
	for _, path := range [][]string{{settingOptions}, {"tlsInsecure"}, {"auth", "database"}, {"auth", "mechanism"}, {"auth", "password"}, {"auth", "rootPassword"}, {"auth", "postgresPassword"}} {
		out[path[len(path)-1]] = filled(textAt(block, path...))
	}
	return out
}

// spellings are the ways to write a host: one inside the cluster has longer
// names, an IPv6 address may stand in brackets.
func spellings(host, namespace string, internal bool) []string {
	out := filled(host)
	if strings.Contains(host, ":") {
		return append(out, "["+host+"]")
	}
	if internal && host != "" && !strings.Contains(host, ".") {
		for _, suffix := range []string{"", ".svc", ".svc.cluster.local"} {
			out = append(out, host+"."+namespace+suffix)
		}
	}
	return out
}

func escaped(text string) []string {
	out := filled(text)
	if other := EscapeQuery(text); other != text {
		out = append(out, other)
	}
	return out
}

func hostPort(host, port string) string {
	if strings.Contains(host, ":") { // an IPv6 address
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	return host + ":" + port
}

func filled(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func textAt(block map[string]any, names ...string) string {
	v := ValueAt(block, names...)
	if v == nil {
		return ""
	}
	return ValueText(v)
}
