package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// CredentialsName is the Secret that the switched release reads an engine's
// password from.
func CredentialsName(e mover.Engine) string { return KindOf(e).Credentials }

// CredentialsKeys are the keys of that Secret which the chart may read, where nobody
// has looked at the release.
func CredentialsKeys(e mover.Engine) []string { return slices.Clone(KindOf(e).Keys) }

// FieldOf is the spec's path of the engine's block, or of something in it.
func FieldOf(e mover.Engine, below ...string) string {
	return strings.Join(append([]string{"datastores", string(e)}, below...), ".")
}

// HostFieldOf is where the external server's address is declared.
func HostFieldOf(e mover.Engine) string { return FieldOf(e, "external", KindOf(e).hostField) }

// Declaration is one datastore's block of the spec, whichever engine's.
type Declaration struct {
	Location spec.Location
	External *ExternalServer // nil when the file has none
}

// ExternalServer is a server outside the release, as the spec declares it.
type ExternalServer struct {
	// Endpoint is how a mover reaches it, but for what it reads from files.
	Endpoint        mover.Endpoint
	Password        spec.SecretRef
	CA, Certificate *spec.SecretRef
	DiskGiB         int
}

// At is the server's address for people and records: host:port, or a list.
func (x ExternalServer) At() string { return x.Endpoint.At() }

// Declared is an engine's block of the spec, nil when there is none.
func Declared(s *spec.Spec, e mover.Engine) *Declaration { return KindOf(e).declared(s) }

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

// IsReadBy tells whether the release's values name this very server.
func (x ExternalServer) IsReadBy(live ReleaseStore) bool {
	return !live.Internal && live.At() == x.At() && live.Username == x.Endpoint.Username
}

// InternalBlock is an engine's block of the chart's values on the way back. A
// nil leaf takes the user's override away, so that the chart's default speaks.
// prior is what the release said while the datastore was internal, if known.
func InternalBlock(e mover.Engine, chartVersion string, prior ReleaseStore) map[string]any {
	auth := map[string]any{"username": nil, "existingSecret": nil}
	if prior.ExistingSecret != "" && prior.ExistingSecret != KindOf(e).Credentials {
		auth["existingSecret"] = prior.ExistingSecret
	}
	address := addressInside(e, prior)
	return KindOf(e).values.back(chartVersion, address, auth)
}

// AddressChanges are those of an external server's address, from what the release
// names to what the spec does.
func AddressChanges(e mover.Engine, live ReleaseStore, to mover.Endpoint) []engine.Change {
	return KindOf(e).values.changes(live, to)
}

// addressInside is what the chart is told of the internal server's address,
// which it reads wherever the data lives: nothing where the server has the name
// of the chart's default.
func addressInside(e mover.Engine, prior ReleaseStore) any {
	if !prior.Internal { // nobody knows what it said then
		prior = ReleaseStore{FullName: prior.FullName}
	}
	address, standard := KindOf(e).values.address(prior)
	if address == standard || prior.FullName == "" {
		return nil
	}
	return address
}
