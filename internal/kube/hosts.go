package kube

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// databaseHosts gives the hosts of each engine that a pod template names in its
// environment, directly or through ConfigMaps, sorted and each once. Values
// from Secrets are not looked at.
func databaseHosts(pod corev1.PodSpec, configs map[string]map[string]string) map[reconcile.Engine][]string {
	out := map[reconcile.Engine][]string{}
	for _, container := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
		for name, value := range environment(container, configs) {
			engine := namedEngine(name)
			for _, host := range hostsOf(engine, value) {
				if host != "" && !slices.Contains(out[engine], host) {
					out[engine] = append(out[engine], host)
				}
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	for _, hosts := range out {
		slices.Sort(hosts)
	}
	return out
}

// environment is what a container's environment will be, as far as the
// template and ConfigMaps tell.
func environment(container corev1.Container, configs map[string]map[string]string) map[string]string {
	out := map[string]string{}
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil {
			continue
		}
		for key, value := range configs[from.ConfigMapRef.Name] {
			out[from.Prefix+key] = value
		}
	}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			out[variable.Name] = expand(variable.Value, out)
		} else if ref := variable.ValueFrom.ConfigMapKeyRef; ref != nil {
			out[variable.Name] = configs[ref.Name][ref.Key]
		} else {
			delete(out, variable.Name)
		}
	}
	return out
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)`)

// expand replaces $(NAME) by a variable defined before, as the kubelet does.
func expand(value string, defined map[string]string) string {
	return reference.ReplaceAllStringFunc(value, func(found string) string {
		if v, ok := defined[found[2:len(found)-1]]; ok {
			return v
		}
		return found
	})
}

// namedEngine is the rule for variable names: something of an engine and
// something of an address, and nothing of another kind of server.
func namedEngine(name string) reconcile.Engine {
	name = strings.ToUpper(name)
	for _, other := range []string{"REDIS", "RABBIT", "MYSQL", "VAULT", "INFLUX"} {
		if strings.Contains(name, other) {
			return ""
		}
	}
	mongo := strings.Contains(name, "MONGO")
	var database, address bool
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '.' || r == '-' }) {
		database = database || strings.HasPrefix(word, "PG") || strings.Contains(word, "POSTGRES") || strings.HasPrefix(word, "DB") || strings.HasPrefix(word, "DATABASE")
		for _, suffix := range []string{"HOST", "HOSTS", "HOSTNAME", "URL", "URI", "DSN"} {
			address = address || strings.HasSuffix(word, suffix)
		}
	}
	switch {
	case mongo && address:
		return reconcile.MongoDB
	case database && address && !mongo:
		return reconcile.PostgreSQL
	}
	return ""
}

// hostsOf takes the hosts out of a value, by the engine's own syntax.
func hostsOf(engine reconcile.Engine, value string) []string {
	switch engine {
	case reconcile.PostgreSQL:
		return []string{hostOf(value)}
	case reconcile.MongoDB:
		return mongoHosts(value)
	}
	return nil
}

// mongoHosts takes the hosts out of a list host:port,host:port or a connection
// string mongodb://user:password@list/database?options.
func mongoHosts(value string) []string {
	value = strings.TrimSpace(value)
	if scheme, rest, ok := strings.Cut(value, "://"); ok {
		if scheme != "mongodb" && scheme != "mongodb+srv" {
			return nil
		}
		value, _, _ = strings.Cut(rest, "/")
		value, _, _ = strings.Cut(value, "?")
		if _, hosts, ok := strings.Cut(value, "@"); ok {
			value = hosts
		}
	}
	if strings.ContainsAny(value, "\t\n/$=@") {
		return nil
	}
	var out []string
	for _, item := range strings.Split(value, ",") {
		item = strings.TrimSpace(item)
		host, _, err := net.SplitHostPort(item)
		if err != nil {
			host = item
		}
		out = append(out, host)
	}
	return out
}

var dsnHost = regexp.MustCompile(`(?:^|\s)host\s*=\s*'?([^'\s]+)`)

// hostOf takes the host out of a host, host:port, URL or libpq DSN; "" when
// the value is none of them or an URL of something else.
func hostOf(value string) string {
	value = strings.TrimPrefix(strings.TrimSpace(value), "jdbc:")
	if scheme, _, ok := strings.Cut(value, "://"); ok {
		if scheme != "postgres" && scheme != "postgresql" && scheme != "pgsql" {
			return ""
		}
		u, err := url.Parse(value)
		if err != nil {
			return ""
		}
		return u.Hostname()
	}
	if found := dsnHost.FindStringSubmatch(value); found != nil {
		return found[1]
	}
	if strings.ContainsAny(value, " \t\n/$=") {
		return ""
	}
	if host, _, err := net.SplitHostPort(value); err == nil {
		return host
	}
	return value
}
