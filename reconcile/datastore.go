package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// engines are the datastores a move knows, in the order plans list them.
var engines = []mover.Engine{mover.PostgreSQL, mover.MongoDB}

// traits is what the policy has to know of an engine by name. Sources: values
// table and operator guide (configuring external services) of Server 4.x.
type traits struct {
	// superuser is the internal server's own; chartKeys are the keys of the
	// chart's Secret with its password, the newest release's first.
	superuser string
	chartKeys []string
	// credentials is the Secret the switched release reads its password from.
	// It is ours, so that a password may come from anywhere the spec allows and
	// the chart's own Secret can stay for the way back. keys are those the chart
	// may read; where pages of the vendor contradict each other, all of them.
	credentials string
	keys        []string
	port        int
}

var traitsOf = map[mover.Engine]traits{
	mover.PostgreSQL: {
		superuser: "postgres", port: 5432,
		chartKeys:   []string{"postgres-password", "postgresql-password"}, // 4.x, 3.x
		credentials: "circleci-dr-postgresql", keys: []string{"password", "postgres-password"},
	},
	mover.MongoDB: {
		superuser: "root", port: mover.StandardMongoPort,
		chartKeys:   []string{"mongodb-root-password"},
		credentials: "circleci-dr-mongodb", keys: []string{"mongodb-password", "mongodb-root-password"},
	},
}

// CredentialsName is the Secret that the switched release reads an engine's
// password from.
func CredentialsName(e mover.Engine) string { return traitsOf[e].credentials }

// CredentialsKeys are the keys of that Secret which the chart may read, where nobody
// has looked at the release.
func CredentialsKeys(e mover.Engine) []string { return slices.Clone(traitsOf[e].keys) }

// docsOf is where the rules of moving an engine out are explained.
func docsOf(e mover.Engine) string { return "docs/moving-" + string(e) + ".md" }

// fieldOf is the spec's path of the engine's block, or of something in it.
func fieldOf(e mover.Engine, below ...string) string {
	return strings.Join(append([]string{"datastores", string(e)}, below...), ".")
}

// hostFieldOf is where the external server's address is declared.
func hostFieldOf(e mover.Engine) string {
	if e == mover.MongoDB {
		return fieldOf(e, "external", "hosts")
	}
	return fieldOf(e, "external", "host")
}

// declaration is one datastore's block of the spec, whichever engine's.
type declaration struct {
	location spec.Location
	external *externalServer // nil when the file has none
}

// externalServer is a server outside the release, as the spec declares it.
type externalServer struct {
	// endpoint is how a mover reaches it, but for what it reads from files.
	endpoint        mover.Endpoint
	password        spec.SecretRef
	ca, certificate *spec.SecretRef
	diskGiB         int
}

// at is the server's address for people and records: host:port, or a list.
func (x externalServer) at() string { return x.endpoint.At() }

// declared is an engine's block of the spec, nil when there is none.
func declared(s *spec.Spec, e mover.Engine) *declaration {
	switch pg, mg := s.Datastores.PostgreSQL, s.Datastores.MongoDB; {
	case e == mover.PostgreSQL && pg != nil:
		d := &declaration{location: pg.Location}
		if x := pg.External; x != nil {
			d.external = &externalServer{
				endpoint: mover.Endpoint{Host: x.Host, Port: x.Port, Username: x.Username, TLSMode: string(x.TLS.Mode)},
				password: x.Password, ca: x.TLS.CA, diskGiB: x.DiskGiB,
			}
		}
		return d
	case e == mover.MongoDB && mg != nil:
		d := &declaration{location: mg.Location}
		if mg.External != nil {
			d.external = externalMongo(mg.External)
		}
		return d
	}
	return nil
}

func externalMongo(x *spec.MongoDBExternal) *externalServer {
	out := &externalServer{
		endpoint: mover.Endpoint{
			Username: x.Username, AuthSource: x.AuthSource, Mechanism: x.Mechanism, ReplicaSet: x.ReplicaSet, Options: x.Options,
			TLSMode: string(spec.TLSVerifyFull),
		},
		password: x.Password, ca: x.TLS.CA, certificate: x.TLS.ClientCertificate, diskGiB: x.DiskGiB,
	}
	if x.TLS.Enabled != nil && !*x.TLS.Enabled {
		out.endpoint.TLSMode = string(spec.TLSDisable)
	}
	out.endpoint.Hosts = seeds(x.Hosts)
	if len(out.endpoint.Hosts) > 0 {
		out.endpoint.Host, out.endpoint.Port = mover.SplitSeed(out.endpoint.Hosts[0])
	}
	return out
}

// seeds are hosts of MongoDB with their ports, as the release and the spec are
// compared.
func seeds(hosts []string) []string {
	var out []string
	for _, seed := range hosts {
		host, port := mover.SplitSeed(seed)
		if strings.Contains(host, ":") { // an IPv6 address
			host = "[" + host + "]"
		}
		out = append(out, host+":"+strconv.Itoa(port))
	}
	return out
}

// reads tells whether the release's values name this very server.
func (x externalServer) isReadBy(live server.ReleaseStore) bool {
	return !live.Internal && live.At() == x.at() && live.Username == x.endpoint.Username
}

// isOf tells whether it is the external side that a part of a move was begun
// with: the same server, reached as the same user.
func (x externalServer) isOf(p Part) bool {
	return x.at() == p.External && (p.Outside.Endpoint == nil || p.Outside.Endpoint.Username == x.endpoint.Username)
}

// internalBlock is an engine's block of the chart's values on the way back. A
// nil leaf takes the user's override away, so that the chart's default speaks.
// prior is what the release said while the datastore was internal, if known.
func internalBlock(e mover.Engine, chartVersion string, prior server.ReleaseStore) map[string]any {
	auth := map[string]any{"username": nil, "existingSecret": nil}
	if prior.ExistingSecret != "" && prior.ExistingSecret != traitsOf[e].credentials {
		auth["existingSecret"] = prior.ExistingSecret
	}
	address := addressInside(e, prior)
	if e == mover.MongoDB {
		auth["database"], auth["mechanism"] = nil, nil
		return map[string]any{"internal": true, "hosts": address, "ssl": nil, "tlsInsecure": nil, "options": nil, "auth": auth}
	}
	block := map[string]any{"internal": true, "postgresqlHost": address, "postgresqlPort": nil, "auth": auth}
	if atLeast(chartVersion, 4, 9) {
		block["secureMode"] = nil
	}
	return block
}

// addressInside is what the chart is told of the internal server's address,
// which it reads wherever the data lives: nothing where the server has the name
// of the chart's default.
func addressInside(e mover.Engine, prior server.ReleaseStore) any {
	if !prior.Internal { // nobody knows what it said then
		prior = server.ReleaseStore{FullName: prior.FullName}
	}
	address, standard := orElse(prior.Host, prior.FullName), string(e)
	if e == mover.MongoDB {
		address, standard = orElse(strings.Join(prior.Hosts, ","), prior.FullName+":27017"), standard+":27017"
	}
	if address == standard || prior.FullName == "" {
		return nil
	}
	return address
}
