package postgres

import (
	"encoding/json"
	"slices"
)

// The fields of a recorded source, see recorded_json.go. What a target alone knows,
// or what follows from the rest, is not among them.

func (s *recordedSource) fields() []jsonField {
	return []jsonField{{"version", &s.version}, {"globals", object{&s.globals}}, {"databases", list(&s.databases)}}
}

func (g *globals) fields() []jsonField {
	return []jsonField{{"roles", list(&g.roles)}, {"members", list(&g.members)}, {"settings", list(&g.settings)},
		{"verifiersKnown", &g.verifiersKnown}, {"bootstrap", &g.bootstrap}, {"version", &g.version}}
}

func (r *role) fields() []jsonField {
	return []jsonField{{"name", &r.name}, {"superuser", &r.super}, {"inherit", &r.inherit}, {"createRole", &r.createRole}, {"createDB", &r.createDB}, {"login", &r.login},
		{"replication", &r.replication}, {"bypassRLS", &r.bypassRLS}, {"connectionLimit", &r.connLimit}, {"validUntil", &r.validUntil}, {"verifier", &r.verifier}, {"comment", &r.comment}, {"spelled", &r.spelled}}
}

func (m *membership) fields() []jsonField {
	return []jsonField{{"role", &m.role}, {"member", &m.member}, {"admin", &m.admin}}
}

func (s *setting) fields() []jsonField {
	return []jsonField{{"database", &s.database}, {"role", &s.role}, {"name", &s.name}, {"value", &s.value}}
}

func (r *recordedDatabase) fields() []jsonField {
	return []jsonField{{"database", object{&r.database}}, {"public", optionalPublic{&r.public}}, {"left", &r.left}, {"felt", textMap{&r.felt}},
		{"tables", list(&r.tables)}, {"leaning", &r.leaning}, {"extensions", list(&r.extensions)}, {"indexes", keyMap[uint32]{&r.indexes}}, {"joined", joinedMap{&r.joined}},
		{"viewKeys", keyMap[bool]{&r.viewKeys}}, {"policies", list(&r.policies)}, {"materializedViews", list(&r.matviews)}, {"defaultPrivileges", list(&r.defaults)},
		{"members", list(&r.members)}, {"sequences", list(&r.sequences)}, {"digests", digestMap{&r.digests}}}
}

func (d *database) fields() []jsonField {
	return []jsonField{{"name", &d.name}, {"owner", &d.owner}, {"encoding", &d.encoding}, {"collate", &d.collate}, {"ctype", &d.ctype}, {"provider", &d.provider}, {"locale", &d.locale},
		{"icuRules", &d.icuRules}, {"connectionLimit", &d.connLimit}, {"comment", &d.comment}, {"bytes", &d.bytes}, {"connectable", &d.connectable}}
}

func (p *publicSchema) fields() []jsonField {
	return []jsonField{{"owner", &p.owner}, {"accessList", &p.acl}, {"comment", &p.comment}}
}

func (t *table) fields() []jsonField {
	return []jsonField{{"oid", &t.oid}, {"schema", &t.schema}, {"name", &t.name}, {"bytes", &t.bytes}, {"columns", &t.columns}, {"stored", &t.stored}, {"binary", &t.binary},
		{"forcedRowSecurity", &t.forcedRLS}, {"readable", &t.readable}, {"root", &t.root}, {"configuration", &t.config}, {"condition", &t.condition}, {"depth", &t.depth}}
}

func (e *extension) fields() []jsonField {
	return []jsonField{{"name", &e.name}, {"version", &e.version}, {"schema", &e.schema}}
}

func (j *joined) fields() []jsonField {
	return []jsonField{{"parents", &j.parents}, {"notNull", &j.notNull}, {"generated", &j.generated}, {"as", &j.as}}
}

func (p *policy) fields() []jsonField {
	return []jsonField{{"object", &p.object}, {"name", &p.name}, {"command", &p.command}, {"permissive", &p.permissive}, {"roles", &p.roles}, {"using", &p.using}, {"check", &p.check}}
}

func (v *matview) fields() []jsonField {
	return []jsonField{{"oid", &v.oid}, {"object", &v.object}, {"populated", &v.populated}}
}

func (d *defaultPrivileges) fields() []jsonField {
	return []jsonField{{"role", &d.role}, {"schema", &d.schema}, {"kind", &d.kind}, {"accessList", &d.acl}}
}

func (m *memberFact) fields() []jsonField {
	return []jsonField{{"object", &m.object}, {"column", &m.column}, {"extension", &m.extension}, {"owner", &m.owner}, {"have", &m.have}, {"made", &m.made}}
}

func (s *sequence) fields() []jsonField {
	return []jsonField{{"object", &s.object}, {"last", &s.last}, {"called", &s.called}}
}

// recordedDigest is a digest of contents, by kind and object.
type recordedDigest struct {
	kind, object, sum string
	rows              int64
}

func (d *recordedDigest) fields() []jsonField {
	return []jsonField{{"kind", &d.kind}, {"object", &d.object}, {"rows", &d.rows}, {"sum", &d.sum}}
}

type digestMap struct{ of *map[[2]string]digest }

// MarshalJSON writes the digests in the order of their objects.
func (m digestMap) MarshalJSON() ([]byte, error) {
	var all []recordedDigest
	for key, d := range *m.of {
		all = append(all, recordedDigest{key[0], key[1], d.String(), d.rows})
	}
	slices.SortFunc(all, func(a, b recordedDigest) int {
		return slices.Compare([]string{a.kind, a.object}, []string{b.kind, b.object})
	})
	return json.Marshal(list(&all))
}

// UnmarshalJSON reads them.
func (m digestMap) UnmarshalJSON(data []byte) error {
	var all []recordedDigest
	if err := decode(data, list(&all)); err != nil {
		return err
	}
	*m.of = map[[2]string]digest{}
	for _, d := range all {
		sum, err := parseDigest(d.rows, d.sum)
		if err != nil {
			return err
		}
		(*m.of)[[2]string{d.kind, d.object}] = sum
	}
	return nil
}

type joinedMap struct{ of *map[uint32]*joined }

// MarshalJSON writes an object by numbers.
func (m joinedMap) MarshalJSON() ([]byte, error) {
	out := map[uint32]object{}
	for oid, j := range *m.of {
		out[oid] = object{j}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads it.
func (m joinedMap) UnmarshalJSON(data []byte) error {
	var raw map[uint32]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*m.of = map[uint32]*joined{}
	for oid, one := range raw {
		j := &joined{}
		if err := decode(one, object{j}); err != nil {
			return err
		}
		(*m.of)[oid] = j
	}
	return nil
}

// optionalPublic is a schema public that may not be there, as JSON.
type optionalPublic struct{ of **publicSchema }

// MarshalJSON writes null for none.
func (o optionalPublic) MarshalJSON() ([]byte, error) {
	if *o.of == nil {
		return []byte("null"), nil
	}
	return json.Marshal(object{*o.of})
}

// UnmarshalJSON reads null as none.
func (o optionalPublic) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*o.of = nil
		return nil
	}
	*o.of = &publicSchema{}
	return decode(data, object{*o.of})
}
