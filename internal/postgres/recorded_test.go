package postgres

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// recordedWith is a pair whose source is awkward, and what was recorded of it.
type recordedWith struct {
	pair
	written []byte
}

// recordAll records a whole source, as a set will: each database in a snapshot of
// its own.
func recordAll(t *testing.T, p pair) recordedWith {
	t.Helper()
	ctx := context.Background()
	m, err := newJob(p.request(mover.OpProve), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.source.facts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m.target.version = m.source.version // a set is for any target that is not older
	var out bytes.Buffer
	w, err := newRecordWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	s := &recordedSource{version: m.source.version, globals: f.globals}
	for _, d := range connectable(f.databases) {
		err := m.source.with(ctx, d.name, func(conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, beginSnapshot); err != nil {
				return err
			}
			r, err := m.from().record(ctx, m.sourceSide(conn), d)
			if err != nil {
				return err
			}
			if err := w.database(ctx, r); err != nil {
				return err
			}
			if r.felt, err = m.from().felt(ctx, d.name); err != nil {
				return err
			}
			if r.sequences, err = listSequences(ctx, conn); err != nil {
				return err
			}
			if err := digestAll(ctx, m, conn, r); err != nil {
				return err
			}
			s.databases = append(s.databases, *r)
			return nil
		})
		if err != nil {
			t.Fatalf("record %s: %v", d.name, err)
		}
	}
	if err := w.finish(s); err != nil {
		t.Fatal(err)
	}
	sameRecord(t, s, out.Bytes())
	return recordedWith{p, out.Bytes()}
}

// digestAll takes the digests of what a database holds.
func digestAll(ctx context.Context, m *job, conn *pgx.Conn, r *recordedDatabase) (err error) {
	r.digests = map[[2]string]digest{}
	p := &databaseProof{proof: &proof{job: m, facts: &copyFacts{}}, database: r.database.name}
	read := &reader{proof: p.proof, database: p.database}
	defer read.close(ctx)
	for _, t := range r.tables {
		kind := tableDigest
		if len(t.stored) > 0 {
			t, kind = t.withStored(), storedDigest
		}
		if r.digests[[2]string{kind, t.object()}], err = read.read(ctx, m.source, &read.source, t, t); err != nil {
			return err
		}
	}
	for _, v := range r.matviews {
		if v.populated {
			if r.digests[[2]string{viewDigest, v.object}], err = p.readQuery(ctx, m.source, ownPath, "table "+v.object); err != nil {
				return err
			}
		}
	}
	r.digests[[2]string{objectsDigest, ""}], err = objectsOf(ctx, conn, nil)
	return err
}

// sameRecord reads back what was written, and demands that it is what was recorded.
func sameRecord(t *testing.T, s *recordedSource, written []byte) {
	t.Helper()
	back, err := readRecorded(bytes.NewReader(written), int64(len(written)))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	w, err := newRecordWriter(&again)
	if err != nil {
		t.Fatal(err)
	}
	for i := range back.databases {
		if err := w.database(t.Context(), &back.databases[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(back); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, again.Bytes()) {
		t.Error("what was read back is written otherwise")
	}
	for i, d := range s.databases {
		d.facts = back.databases[i].facts
		if !reflect.DeepEqual(d, back.databases[i]) {
			t.Errorf("database %s was read back as\n%+v\nnot\n%+v", d.database.name, back.databases[i], d)
		}
	}
}

// run does an operation that knows the source by what was recorded, and asks the
// source itself for contents only.
func (r recordedWith) run(t *testing.T, op mover.Operation, written []byte) (any, error) {
	t.Helper()
	s, err := readRecorded(bytes.NewReader(written), int64(len(written)))
	if err != nil {
		t.Fatal(err)
	}
	req := r.request(op)
	req.Fence = "" // no fence is recorded
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.source.with(t.Context(), maintenance, func(*pgx.Conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	m.origin = s
	return m.run(t.Context())
}

// proof is a proof against what was recorded.
func (r recordedWith) proof(t *testing.T, written []byte) []string {
	t.Helper()
	result, err := r.run(t, mover.OpProve, written)
	if err != nil {
		t.Fatal(err)
	}
	return differences(result.(mover.Proof))
}

// TestCopyAndProofFromARecord copies a source that is known by what was recorded,
// and proves it so: the live proof says the same. Changed in one place, the record
// is not what the target has, and the proof names that.
func TestCopyAndProofFromARecord(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	p.source.Exec(t, "postgres", "create database bytes template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
	p.source.Exec(t, "bytes", carried[len(carried)-1])
	p.source.Exec(t, "main", recordedMore)
	r := recordAll(t, p)
	if _, err := r.run(t, mover.OpCopy, r.written); err != nil {
		t.Fatal(err)
	}
	if got := r.proof(t, r.written); len(got) > 0 {
		t.Errorf("against the record: %q", got)
	}
	req := p.request(mover.OpProve)
	req.Fence = ""
	live, err := Run(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := differences(live.(mover.Proof)); len(got) > 0 {
		t.Errorf("against the source: %q", got)
	}
	const low = "select obj_description(99, 'pg_largeobject')" // which no catalog compares
	if got := p.target.Value(t, "main", low); got != "a low one" {
		t.Errorf("the comment on a large object with a low number is %q", got)
	}
	var want []string
	changed := string(r.written)
	for _, b := range recordedBites {
		if n := strings.Count(changed, b.from); n != 1 {
			t.Fatalf("%s is there %d times", b.from, n)
		}
		changed = strings.Replace(changed, b.from, b.to, 1)
		want = append(want, b.says)
	}
	slices.Sort(want)
	got := r.proof(t, []byte(changed))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("of a record with other values the proof says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// recordedMore is what makes a value of each place that roles stand in.
const recordedMore = `create table public.lent (id int, note varchar(9)); alter table public.lent owner to app; grant select on public.lent to reader with grant option;
	grant update (note) on public.lent to reader; create policy seen on public.lent to reader, app, postgres; create policy all_of_us on public.lent;
	alter default privileges for role app grant select on tables to reader; alter default privileges for role postgres grant usage on types to app;
	create rule noted as on delete to public.lent where old.note in ('x', 'y') do instead nothing;
	select lo_create(474712); alter large object 474712 owner to app; comment on large object 474712 is 'a number';
	create sequence public.counted; select setval('public.counted', 41); select lo_create(474713); comment on large object 474713 is 'another'; select lo_create(99); comment on large object 99 is 'a low one'`

var recordedBites = []struct{ from, to, says string }{
	{`["public.lent","owner","\u0001app",`, `["public.lent","owner","\u0001reader",`, "main: table public.lent: owner differs"},
	{`["seen on public.lent","roles","\u0001app, \u0001postgres, \u0001reader",`, `["seen on public.lent","roles","\u0001app, \u0001reader",`, "main: policy seen on public.lent: roles differs"},
	{`["seen on public.lent","command","*",`, `["seen on public.lent","command","r",`, "main: policy seen on public.lent: command differs"},
	{`["large object 474712","comment","a number",`, `["large object 474712","comment","no number",`, "main: comment large object 474712: comment differs"},
	{`"public","CREATE RULE noted AS\n    ON DELETE TO lent`, `"public","CREATE RULE noted AS\n    ON UPDATE TO lent`, "main: rule noted on public.lent: definition differs"},
	{`{"kind":"table","object":"\"public\".\"lent\"","rows":0,`, `{"kind":"table","object":"\"public\".\"lent\"","rows":1,`, "main: table public.lent: row count differs"},
	{`{"object":"public.counted","last":41,`, `{"object":"public.counted","last":42,`, "main: sequence public.counted: value differs"},
	{`{"name":"owner_of_tables","superuser":false,"inherit":true,`, `{"name":"owner_of_tables","superuser":false,"inherit":false,`, ": role owner_of_tables: INHERIT differs"},
}
