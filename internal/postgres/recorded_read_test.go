package postgres

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// notRecorded are the fields that are none of a source's: they are a target's, or
// follow from the rest.
var notRecorded = map[string][]string{
	"globals":          {"foreign", "home", "superOnly", "atStart", "refused", "rights"},
	"role":             {"kept"},
	"table":            {"whole"},
	"recordedDatabase": {"facts"},
}

// TestEveryFieldIsRecorded: whoever adds a field to what copy and proof know of a
// source says whether it is written down.
func TestEveryFieldIsRecorded(t *testing.T) {
	t.Parallel()
	for _, of := range []interface{ fields() []jsonField }{&recordedSource{}, &globals{}, &role{}, &membership{}, &setting{}, &recordedDatabase{}, &database{}, &publicSchema{},
		&table{}, &extension{}, &joined{}, &policy{}, &matview{}, &defaultPrivileges{}, &memberFact{}, &sequence{}, &recordedDigest{}} {
		value := reflect.ValueOf(of).Elem()
		name := value.Type().Name()
		listed, names := map[unsafe.Pointer]bool{}, map[string]bool{}
		for _, f := range of.fields() {
			at := reflect.ValueOf(f.value)
			for at.Kind() != reflect.Pointer { // an object, a list or a map, of what it points to
				if at.Kind() == reflect.Interface {
					at = at.Elem()
				} else {
					at = at.Field(0)
				}
			}
			listed[at.UnsafePointer()] = true
			names[f.name] = true
		}
		if len(names) != len(of.fields()) {
			t.Errorf("%s: two fields have one name", name)
		}
		for i := range value.NumField() {
			field := value.Type().Field(i)
			if there, out := listed[value.Field(i).Addr().UnsafePointer()], slices.Contains(notRecorded[name], field.Name); there == out {
				t.Errorf("%s.%s: written %t, said to be none of a source's %t", name, field.Name, there, out)
			}
		}
	}
}

// memoryFacts are facts that are held, for tests without a server.
type memoryFacts map[string][]fact

func (m memoryFacts) facts(_ context.Context, c catalog) (factStream, error) {
	s := &heldFacts{factStream: &recordedLines{}}
	for _, f := range m[c.kind] {
		s.all = append(s.all, &f)
	}
	return s, nil
}

func (m memoryFacts) relative(_ context.Context, _ catalog, of []string) (textsByFact, error) {
	texts := textsByFact{}
	for _, key := range of {
		texts[key] = relativeText{"text of " + key, "schema"}
	}
	return texts, nil
}

// small is a record with a line of each kind.
func small(t *testing.T) []byte {
	t.Helper()
	d := recordedDatabase{database: database{name: "ma\xe9in"}, facts: memoryFacts{"table": {{object: "a", what: "owner", value: "\x01app"}, {object: "b\xff", what: "kind", value: "r"}},
		"trigger": {{object: "t", what: "definition", value: "create trigger", of: "17"}}}}
	d.digests = map[[2]string]digest{{"table", "a"}: {rows: 1, hi: 2, lo: 3}}
	var out bytes.Buffer
	w, err := newRecordWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.database(t.Context(), &d); err != nil {
		t.Fatal(err)
	}
	if err := w.finish(&recordedSource{version: 120000, databases: []recordedDatabase{d}}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestADamagedRecord: half a source is no source.
func TestADamagedRecord(t *testing.T) {
	t.Parallel()
	whole := small(t)
	lines := strings.SplitAfter(strings.TrimSuffix(string(whole), "\n"), "\n")
	read := func(written string) error {
		_, err := readRecorded(strings.NewReader(written), int64(len(written)))
		return err
	}
	if err := read(string(whole)); err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		if err := read(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")); err == nil {
			t.Errorf("without line %d it is read: %s", i+1, lines[i])
		}
		twice := strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]+"\n"), "")
		if err := read(twice); err == nil {
			t.Errorf("with line %d twice it is read", i+1)
		}
	}
	for end := range whole {
		if err := read(string(whole[:end])); err == nil {
			t.Errorf("cut off at %d of %d it is read", end, len(whole))
		}
	}
	for from, to := range map[string]string{
		`{"format":1}`:     `{"format":2}`,
		`["a","owner",`:    `["a",`,
		`"version":120000`: `"other":120000`,
		`"rows":1,`:        ``,
		`"lines":`:         `"extra":1,"lines":1`,
		`"sum":"`:          `"sum":"x`,
		`"tables":`:        `"tabels":`,
	} {
		changed := strings.Replace(string(whole), from, to, 1)
		if changed == string(whole) {
			t.Errorf("%s is not there", from)
		}
		if err := read(changed); err == nil {
			t.Errorf("with %s for %s it is read", to, from)
		}
	}
}
