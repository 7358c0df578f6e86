package server

import (
	"cmp"
	"strconv"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

func postgreSQL() *StoreKind {
	const e = mover.PostgreSQL
	return &StoreKind{
		Engine: e, Superuser: "postgres", port: 5432, hostField: "host",
		ChartKeys:   []string{"postgres-password", "postgresql-password"}, // 4.x, 3.x
		Credentials: "circleci-dr-postgresql", Keys: []string{"password", "postgres-password"},
		// The values table says password and the page on external services postgres-password.
		passwordKeys: []string{"password", "postgres-password"}, ownSecret: "pg-external",
		plainPasswords: []string{"postgresql.auth.password", "postgresql.auth.postgresPassword"},
		declared:       declaredPostgreSQL,
		// Of postgresql.secureMode only encryption is said.
		verifies: func(s *spec.Spec) (verifies, sure bool) {
			pg := s.Datastores.PostgreSQL
			return pg != nil && pg.External != nil && pg.External.TLS.Mode != spec.TLSDisable, false
		},
		Released: func(r *Release) *ReleaseStore { return &r.Postgres },
		inside:   func(*mover.Endpoint, string) {},
		values:   valuesOfPostgreSQL(),
		draft:    (*Draft).postgres,
	}
}

func declaredPostgreSQL(s *spec.Spec) *Declaration {
	pg := s.Datastores.PostgreSQL
	if pg == nil {
		return nil
	}
	d := &Declaration{Location: pg.Location}
	if x := pg.External; x != nil {
		d.External = &ExternalServer{
			Endpoint: mover.Endpoint{Host: x.Host, Port: x.Port, Username: x.Username, TLSMode: string(x.TLS.Mode)},
			Password: x.Password, CA: x.TLS.CA, DiskGiB: x.DiskGiB,
		}
	}
	return d
}

func valuesOfPostgreSQL() storeValues {
	const e = mover.PostgreSQL
	return storeValues{
		wanted: func(s *spec.Spec, version string) []Setting {
			switch pg := s.Datastores.PostgreSQL; {
			case pg != nil && pg.Location == spec.External && pg.External != nil:
				return wantedOf(e, postgresRows, pg.External, version)
			case pg != nil && pg.Location == spec.Internal:
				return wantedInside(e)
			}
			return nil
		},
		leftover: func(name, version string) []Setting {
			out := []Setting{{Path: "postgresqlHost", Value: name, Default: "postgresql"}, {Path: "postgresqlPort", Value: 5432, Default: 5432}}
			if version == "" || AtLeast(version, 4, 9) {
				out = append(out, Setting{Path: "secureMode", Value: false, Default: false})
			}
			return out
		},
		paths: func() []string { return pathsOf(e, postgresRows) },
		read: func(said DeclaredValues) (ReleaseStore, error) {
			return storeOfRows(e, postgresRows, said)
		},
		back: func(chartVersion string, address any, auth map[string]any) map[string]any {
			block := map[string]any{"internal": true, "postgresqlHost": address, "postgresqlPort": nil, "auth": auth}
			if AtLeast(chartVersion, 4, 9) {
				block["secureMode"] = nil
			}
			return block
		},
		address: func(prior ReleaseStore) (address, standard string) {
			return cmp.Or(prior.Host, prior.FullName), string(e)
		},
		named: func(live ReleaseStore) []ReleasedValue {
			return []ReleasedValue{{"postgresqlHost", live.Host, true}, {"postgresqlPort", live.Port, true}}
		},
		hosts: func(block map[string]any, name string) (hosts []string, secure bool) {
			port := cmp.Or(textAt(block, "postgresqlPort"), "5432")
			return []string{hostPort(cmp.Or(textAt(block, "postgresqlHost"), name), port)}, block["secureMode"] == true
		},
		changes: func(live ReleaseStore, to mover.Endpoint) []engine.Change {
			return []engine.Change{
				{Field: HostFieldOf(e), From: live.Host, To: to.Host},
				{Field: FieldOf(e, "external", "port"), From: strconv.Itoa(live.Port), To: strconv.Itoa(to.Port)},
			}
		},
	}
}

var postgresRows = []valueRow[*spec.PostgreSQLExternal]{
	{key: "internal", standard: true, field: "location",
		say:  func(*spec.PostgreSQLExternal) any { return false },
		live: isInternal},
	{key: "postgresqlHost", standard: "postgresql", field: "external.host",
		say:  func(x *spec.PostgreSQLExternal) any { return x.Host },
		hear: func(x *spec.PostgreSQLExternal, v any) string { x.Host = ValueText(v); return "" },
		live: func(s *ReleaseStore, v any) error { return textInto(&s.Host, v) }},
	{key: "postgresqlPort", standard: 5432, field: "external.port",
		say:  func(x *spec.PostgreSQLExternal) any { return x.Port },
		hear: func(x *spec.PostgreSQLExternal, v any) string { return heardPort(x, v) },
		live: func(s *ReleaseStore, v any) error { return portInto(&s.Port, v) }},
	{key: "secureMode", standard: false, field: "external.tls.mode",
		say:  func(x *spec.PostgreSQLExternal) any { return x.TLS.Mode != spec.TLSDisable },
		hear: func(x *spec.PostgreSQLExternal, v any) string { return heardSecureMode(x, v) },
		live: isSecure},
	{key: "fullnameOverride", live: isCalled},
	{key: "nameOverride"},
	{key: "auth.username", field: "external.username",
		say:  func(x *spec.PostgreSQLExternal) any { return x.Username },
		hear: func(x *spec.PostgreSQLExternal, v any) string { x.Username = ValueText(v); return "" },
		live: isUsedBy},
	{key: "auth.existingSecret", field: "external.password",
		say:  func(*spec.PostgreSQLExternal) any { return CredentialsName(mover.PostgreSQL) },
		live: hasSecret},
}

func (d *Draft) postgres(in Installation) {
	live := in.Release.Postgres
	if live.Internal {
		d.Spec.Datastores.PostgreSQL = &spec.PostgreSQL{Location: spec.Internal}
		d.internal(mover.PostgreSQL, live)
		d.offer(FieldOf(mover.PostgreSQL, "external"), "host", "port", "username", "password", "tls.mode", "tls.ca", "diskGiB")
		return
	}
	x := &spec.PostgreSQLExternal{}
	d.Spec.Datastores.PostgreSQL = &spec.PostgreSQL{Location: spec.External, External: x}
	d.heard(heard(mover.PostgreSQL, postgresRows, x, in.Values))
	x.Password = d.external(in, mover.PostgreSQL, &x.Username)
	if x.TLS.Mode == "" {
		d.remark(FieldOf(mover.PostgreSQL, "external.tls.mode"), "decide: no value of this release says whether the application encrypts; verify-full is what holds without this field")
		d.offer(FieldOf(mover.PostgreSQL, "external"), "tls.mode")
	}
	d.trust(in.Release, mover.PostgreSQL, x.TLS.Mode != spec.TLSDisable)
}
