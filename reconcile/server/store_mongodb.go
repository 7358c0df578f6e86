package server

import (
	"cmp"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

func mongoDB() *StoreKind {
	const e = mover.MongoDB
	return &StoreKind{
		Engine: e, Superuser: "root", port: mover.StandardMongoPort, hostField: "hosts",
		ChartKeys:   []string{"mongodb-root-password"},
		Credentials: "circleci-dr-mongodb", Keys: []string{"mongodb-password", "mongodb-root-password"},
		// The page on external services fills mongodb-password with a word that means nothing.
		passwordKeys: []string{"mongodb-root-password", "mongodb-password"}, ownSecret: "mongodb-external",
		plainPasswords: []string{"mongodb.auth.rootPassword", "mongodb.auth.password"},
		declared: func(s *spec.Spec) *Declaration {
			mg := s.Datastores.MongoDB
			if mg == nil {
				return nil
			}
			d := &Declaration{Location: mg.Location}
			if mg.External != nil {
				d.External = externalMongo(mg.External)
			}
			return d
		},
		verifies: mongoVerifies,
		Released: func(r *Release) *ReleaseStore { return &r.Mongo },
		inside: func(at *mover.Endpoint, fullName string) {
			at.Hosts, at.AuthSource, at.TLSMode = []string{fullName + ":27017"}, "admin", string(spec.TLSDisable)
		},
		values: valuesOfMongoDB(),
		draft:  (*Draft).mongo,
	}
}

// mongoVerifies: mongodb.tlsInsecure says whether the application looks at
// certificates, and so can the options.
func mongoVerifies(s *spec.Spec) (verifies, sure bool) {
	mg := s.Datastores.MongoDB
	if mg == nil || mg.External == nil {
		return false, false
	}
	on := mg.External.TLS.Enabled == nil || *mg.External.TLS.Enabled
	options := strings.ToLower(mg.External.Options)
	for _, blind := range []string{"tlsinsecure=true", "tlsallowinvalidcertificates=true", "sslinvalidcertificatesallowed=true"} {
		on = on && !strings.Contains(options, blind)
	}
	return on, true
}

func valuesOfMongoDB() storeValues {
	const e = mover.MongoDB
	return storeValues{
		wanted: func(s *spec.Spec, version string) []Setting {
			switch mg := s.Datastores.MongoDB; {
			case mg != nil && mg.Location == spec.External && mg.External != nil:
				return wantedOf(e, mongoRows, mg.External, version)
			case mg != nil && mg.Location == spec.Internal:
				return wantedInside(e)
			}
			return nil
		},
		leftover: func(name, _ string) []Setting {
			return []Setting{
				{Path: "hosts", Value: name + ":27017", Default: "mongodb:27017"}, {Path: "ssl", Value: false, Default: false}, {Path: "options", Value: "", Default: ""},
				{Path: "auth.database", Value: "admin", Default: "admin"}, {Path: "auth.username", Value: "root", Default: "root"},
			}
		},
		paths: func() []string { return pathsOf(e, mongoRows) },
		read:  func(said DeclaredValues) (ReleaseStore, error) { return storeOfRows(e, mongoRows, said) },
		back: func(_ string, address any, auth map[string]any) map[string]any {
			auth["database"], auth["mechanism"] = nil, nil
			return map[string]any{"internal": true, "hosts": address, "ssl": nil, "tlsInsecure": nil, "options": nil, "auth": auth}
		},
		address: func(prior ReleaseStore) (address, standard string) {
			return cmp.Or(strings.Join(prior.Hosts, ","), prior.FullName+":27017"), string(e) + ":27017"
		},
		named: func(live ReleaseStore) []ReleasedValue { return []ReleasedValue{{"hosts", live.At(), true}} },
		hosts: func(block map[string]any, _ string) (hosts []string, secure bool) {
			return strings.Split(textAt(block, "hosts"), ","), block["ssl"] == true
		},
		listed: true,
		changes: func(live ReleaseStore, to mover.Endpoint) []engine.Change {
			return []engine.Change{{Field: HostFieldOf(e), From: live.At(), To: to.At()}}
		},
	}
}

func externalMongo(x *spec.MongoDBExternal) *ExternalServer {
	out := &ExternalServer{
		Endpoint: mover.Endpoint{
			Username: x.Username, AuthSource: x.AuthSource, Mechanism: x.Mechanism, ReplicaSet: x.ReplicaSet, Options: x.Options,
			TLSMode: string(spec.TLSVerifyFull),
		},
		Password: x.Password, CA: x.TLS.CA, Certificate: x.TLS.ClientCertificate, DiskGiB: x.DiskGiB,
	}
	if x.TLS.Enabled != nil && !*x.TLS.Enabled {
		out.Endpoint.TLSMode = string(spec.TLSDisable)
	}
	out.Endpoint.Hosts = seeds(x.Hosts)
	if len(out.Endpoint.Hosts) > 0 {
		out.Endpoint.Host, out.Endpoint.Port = mover.SplitSeed(out.Endpoint.Hosts[0])
	}
	return out
}

var mongoRows = []valueRow[*spec.MongoDBExternal]{
	{key: "internal", standard: true, field: "location",
		say:  func(*spec.MongoDBExternal) any { return false },
		live: isInternal},
	{key: "hosts", standard: "mongodb:27017", field: "external.hosts",
		say:  func(x *spec.MongoDBExternal) any { return strings.Join(x.Hosts, ",") },
		hear: func(x *spec.MongoDBExternal, v any) string { x.Hosts = itemsOf(ValueText(v)); return "" },
		live: func(s *ReleaseStore, v any) error { s.Hosts = seeds(itemsOf(ValueText(v))); return scalar(v) }},
	{key: "ssl", standard: false, field: "external.tls.enabled",
		say:  func(x *spec.MongoDBExternal) any { return x.TLS.Enabled == nil || *x.TLS.Enabled },
		hear: func(x *spec.MongoDBExternal, v any) string { return heardSSL(x, v) },
		live: isSecure},
	{key: "tlsInsecure", standard: false, field: "external.tls",
		say:  func(*spec.MongoDBExternal) any { return false },
		hear: func(_ *spec.MongoDBExternal, v any) string { return heardInsecure(v) }},
	{key: "options", standard: "", field: "external.options",
		say:  sayOptions,
		hear: func(x *spec.MongoDBExternal, v any) string { return heardOptions(x, v) }},
	{key: "fullnameOverride", live: isCalled},
	{key: "nameOverride"},
	{key: "auth.database", standard: "admin", field: "external.authSource",
		say:  func(x *spec.MongoDBExternal) any { return x.AuthSource },
		hear: func(x *spec.MongoDBExternal, v any) string { return heardAuthSource(x, v) }},
	{key: "auth.mechanism", standard: "SCRAM-SHA-1", field: "external.mechanism",
		say:  func(x *spec.MongoDBExternal) any { return x.Mechanism },
		hear: func(x *spec.MongoDBExternal, v any) string { return heardMechanism(x, v) }},
	{key: "auth.username", standard: "root", field: "external.username",
		say:  func(x *spec.MongoDBExternal) any { return x.Username },
		hear: func(x *spec.MongoDBExternal, v any) string { x.Username = ValueText(v); return "" },
		live: isUsedBy},
	{key: "auth.existingSecret", field: "external.password",
		say:  func(*spec.MongoDBExternal) any { return CredentialsName(mover.MongoDB) },
		live: hasSecret},
}

func (d *Draft) mongo(in Installation) {
	live := in.Release.Mongo
	if _, has := in.Values.Fact("mongodb.internal"); !has {
		d.Head = append(d.Head, "The release has no values of MongoDB, so this file says nothing of one.")
		return
	}
	if live.Internal {
		d.Spec.Datastores.MongoDB = &spec.MongoDB{Location: spec.Internal}
		d.internal(mover.MongoDB, live)
		d.offer(FieldOf(mover.MongoDB, "external"), "hosts", "username", "password", "authSource", "mechanism", "replicaSet", "tls.ca", "diskGiB")
		return
	}
	x := &spec.MongoDBExternal{}
	d.Spec.Datastores.MongoDB = &spec.MongoDB{Location: spec.External, External: x}
	d.heard(heard(mover.MongoDB, mongoRows, x, in.Values))
	x.Password = d.external(in, mover.MongoDB, &x.Username)
	if x.Mechanism == "" {
		d.offer(FieldOf(mover.MongoDB, "external"), "mechanism")
	}
	encrypts := x.TLS.Enabled != nil && *x.TLS.Enabled
	if encrypts { // also where the options alone say so
		delete(d.Remarks, FieldOf(mover.MongoDB, "external.tls.enabled"))
	}
	d.trust(in.Release, mover.MongoDB, encrypts)
}
