package reconcile

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

var update = flag.Bool("update", false, "write the golden files anew")

// facts are a spec and what was observed; a row changes them.
type facts struct {
	s *spec.Spec
	o Observation
}

func (f *facts) src() *mover.Database     { return f.o.Postgres.Inspection.Value.Source.Database }
func (f *facts) dst() *mover.Database     { return f.o.Postgres.Inspection.Value.Target.Database }
func (f *facts) pg() *spec.PostgreSQL     { return f.s.Datastores.PostgreSQL }
func (f *facts) move(m Move)              { f.o.Move = engine.Found(m) }
func (f *facts) lineage(l server.Lineage) { f.o.Postgres.Lineage = engine.Found(l) }
func (f *facts) external(secret string) {
	f.o.Release.Value.Postgres = server.ReleaseStore{Host: externalHost, Port: 5432, Username: "circleci", ExistingSecret: secret, FullName: internalHost}
}

// before is an installation whose PostgreSQL is internal and should not be.
func before(t *testing.T) *facts {
	t.Helper()
	w := newWorld()
	w.apps["Deployment/unused"].replicas = 1
	w.rest()
	s := externalSpec()
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	return &facts{s, o}
}

// line is one row of a golden file: what the plan would do and what it finds.
type line struct {
	Row      string              `json:"row"`
	Steps    []engine.ActionKind `json:"steps,omitempty"`
	Findings []engine.Finding    `json:"findings,omitempty"`
	Notices  []string            `json:"notices,omitempty"`
	Resumes  string              `json:"resumes,omitempty"`
	Error    string              `json:"error,omitempty"`
}

type row struct {
	name   string
	change func(*facts)
}

func golden(t *testing.T, file string, rows []row) {
	t.Helper()
	goldenFrom(t, file, before, rows)
}

func goldenFrom(t *testing.T, file string, start func(*testing.T) *facts, rows []row) {
	t.Helper()
	var out strings.Builder
	for _, r := range rows {
		f := start(t)
		r.change(f)
		p, err := MakePlan(f.s, f.o)
		l := line{Row: r.name, Steps: actions(p.Steps), Findings: p.Findings, Notices: p.Notices, Resumes: p.Resumes}
		if slices.Equal(l.Steps, wholeMove) {
			l.Steps = []engine.ActionKind{"the whole move"}
		}
		if err != nil {
			var unread *UnreadableError
			if !errors.As(err, &unread) {
				t.Errorf("%s: error is %v, want what could not be read", r.name, err)
			}
			l.Error = err.Error()
		}
		again, err2 := MakePlan(f.s, f.o)
		if (err == nil) != (err2 == nil) || again.ID != p.ID {
			t.Errorf("%s: a second plan of the same facts differs", r.name)
		}
		data, err := json.MarshalIndent(l, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(data, '\n'))
	}
	compare(t, file, out.String())
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	name := filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d: want\n%s\ngot\n%s", name, i+1, a[i], b[i])
		}
	}
	t.Fatalf("%s: want %d lines, got %d", name, len(a), len(b))
}

var errRead = errors.New("connection refused")

// What a plan rests on, each once unknown and once absent. Unknown is never
// planned on.
func TestUnknownIsNeverPlannedOn(t *testing.T) {
	golden(t, "knowledge.golden", []row{
		{"everything is known", func(*facts) {}},
		{"nothing was looked at", func(f *facts) { f.o = Observation{} }},
		{"cluster unknown", func(f *facts) { f.o.Cluster = engine.CouldNot[server.Cluster](errRead) }},
		{"release unknown", func(f *facts) { f.o.Release = engine.CouldNot[server.Release](errRead) }},
		{"release absent", func(f *facts) { f.o.Release = engine.NotThere[server.Release]() }},
		{"workloads unknown", func(f *facts) { f.o.Workloads = engine.CouldNot[[]server.Workload](errRead) }},
		{"workloads absent", func(f *facts) { f.o.Workloads = engine.NotThere[[]server.Workload]() }},
		{"last-applied record unknown", func(f *facts) { f.o.Applied = engine.CouldNot[server.Applied](errRead) }},
		{"lineage unknown", func(f *facts) { f.o.Postgres.Lineage = engine.CouldNot[server.Lineage](errRead) }},
		{"move unknown", func(f *facts) { f.o.Move = engine.CouldNot[Move](errRead) }},
		{"move unknown, no datastore in the spec", func(f *facts) { f.s.Datastores.PostgreSQL, f.o.Move = nil, engine.CouldNot[Move](errRead) }},
		{"internal objects unknown", func(f *facts) { f.o.Postgres.Internal = engine.CouldNot[server.InternalStore](errRead) }},
		{"StatefulSet unknown", func(f *facts) { f.o.Postgres.Internal.Value.StatefulSet = engine.CouldNot[server.StatefulSet](errRead) }},
		{"credentials unknown", func(f *facts) { f.o.Postgres.Credentials = engine.CouldNot[server.Credentials](errRead) }},
		{"credentials absent", func(f *facts) { f.o.Postgres.Credentials = engine.NotThere[server.Credentials]() }},
		{"inspection unknown", func(f *facts) { f.o.Postgres.Inspection = engine.CouldNot[server.Inspection](errRead) }},
		{"inspection absent", func(f *facts) { f.o.Postgres.Inspection = engine.NotThere[server.Inspection]() }},
		{"inspection of other servers", func(f *facts) { f.o.Postgres.Inspection = engine.CouldNot[server.Inspection](errors.New(otherServers)) }},
		{"preview unknown", func(f *facts) { f.o.Preview = engine.CouldNot[server.Preview](errRead) }},
		{"preview absent", func(f *facts) { f.o.Preview = engine.NotThere[server.Preview]() }},
		{"rights unknown", func(f *facts) { f.o.Denied = engine.CouldNot[[]server.Permission](errRead) }},
		{"journal unknown", func(f *facts) { f.o.Journal = engine.CouldNot[engine.Journal](errRead) }},
		{"lease unknown", func(f *facts) { f.o.Lease = engine.CouldNot[engine.LeaseHolder](errRead) }},
	})
}

func TestWhereTheDatastoreLivesDecidesTheSteps(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	counts := func(f *facts) map[string]int {
		c, _ := server.CountsOf(f.o.Workloads.Value)
		return c
	}
	open := func(f *facts, phase MovePhase) Move {
		return Move{ID: "postgresql-e1", Attempt: 1, Phase: phase, Opened: at, Replicas: counts(f), Revision: 5,
			Parts: []Part{{Engine: mover.PostgreSQL, From: spec.Internal, To: spec.External, Epoch: 1, External: externalHost + ":5432"}}}
	}
	golden(t, "location.golden", []row{
		{"wanted internal, is internal", func(f *facts) { f.s = internalSpec() }},
		{"wanted internal, is external", func(f *facts) { f.s = internalSpec(); f.external("pg") }},
		{"not in the spec", func(f *facts) { f.s.Datastores.PostgreSQL = nil }},
		{"wanted external, is internal", func(*facts) {}},
		{"wanted external, adopted", func(f *facts) { f.external("theirs") }},
		{"wanted external, is external, our Secret is gone", func(f *facts) { f.external(server.CredentialsName(mover.PostgreSQL)) }},
		{"wanted external, is external, our Secret is unknown", func(f *facts) {
			f.external(server.CredentialsName(mover.PostgreSQL))
			f.o.Postgres.Credentials = engine.CouldNot[server.Credentials](errRead)
		}},
		{"wanted external, adopted, our Secret is unknown", func(f *facts) {
			f.external("theirs")
			f.o.Postgres.Credentials = engine.CouldNot[server.Credentials](errRead)
		}},
		{"wanted external, is another external", func(f *facts) { f.external("theirs"); f.pg().External.Host = "other.example.com" }},
		{"two truths", func(f *facts) {
			f.lineage(server.Lineage{Epoch: 1, Authoritative: spec.External, Endpoint: externalHost + ":5432", At: at})
		}},
		{"two truths, the internal side took nothing", func(f *facts) { f.twoTruths(at, mover.WrittenNone, mover.WrittenSome) }},
		{"two truths, forked", func(f *facts) { f.twoTruths(at, mover.WrittenSome, mover.WrittenSome) }},
		{"two truths, nobody knows", func(f *facts) { f.twoTruths(at, mover.WrittenUnknown, mover.WrittenNone) }},
		{"two truths, the external side cannot be reached", func(f *facts) {
			f.twoTruths(at, mover.WrittenSome, mover.WrittenSome)
			f.o.Postgres.Inspection.Value.Target = &mover.InspectedSide{Code: mover.CodeUnreachable, Error: "no route to host"}
		}},
		{"two truths, the external server again after the way back", func(f *facts) {
			f.s = internalSpec()
			f.twoTruths(at, mover.WrittenNone, mover.WrittenSome)
			f.external("theirs")
			f.o.Postgres.Lineage.Value.Authoritative = spec.Internal
			f.dst().Lineage.State, f.src().Lineage.State = "superseded", "authoritative"
		}},
		{"two truths, a server that the records do not know", func(f *facts) {
			f.twoTruths(at, mover.WrittenNone, mover.WrittenSome)
			f.external("theirs")
			f.o.Postgres.Lineage.Value.Authoritative, f.o.Postgres.Lineage.Value.Endpoint = spec.Internal, "other.example.com:5432"
		}},
		{"withdrawn once, so the next epoch", func(f *facts) { f.lineage(server.Lineage{Epoch: 1, Authoritative: spec.Internal, At: at}) }},
		{"went back", func(f *facts) { m := open(f, MoveReverted); m.LastError = "no disk"; f.move(m) }},
		{"opened, nothing recorded on the workloads", func(f *facts) { f.move(open(f, MoveOpen)) }},
		{"fenced", func(f *facts) {
			m := open(f, MoveOpen)
			m.Quiesced = at
			m.Parts[0].Fence = &mover.FenceResult{Fence: mover.FenceState{ID: m.FenceID(m.Parts[0])}}
			f.stopped()
			f.move(m)
		}},
		{"copied under another fence", func(f *facts) {
			m := open(f, MoveOpen)
			m.Quiesced = at
			m.Parts[0].Fence = &mover.FenceResult{Fence: mover.FenceState{ID: m.FenceID(m.Parts[0])}}
			m.Parts[0].Copy = &mover.CopyResult{Fence: "postgresql-e1-a0"}
			f.stopped()
			f.move(m)
		}},
		{"proven", func(f *facts) { f.stopped(); f.move(proven(open(f, MoveOpen), at)) }},
		{"committed", func(f *facts) {
			f.stopped()
			f.external(server.CredentialsName(mover.PostgreSQL))
			f.move(proven(open(f, MoveCommitted), at))
		}},
		{"committed, in doubt", func(f *facts) {
			f.stopped()
			f.external(server.CredentialsName(mover.PostgreSQL))
			m := proven(open(f, MoveCommitted), at)
			m.Deciding = true
			f.move(m)
		}},
		{"committed, release internal again", func(f *facts) { f.stopped(); f.move(proven(open(f, MoveCommitted), at)) }},
		{"committed, wanted internal", func(f *facts) {
			f.s = internalSpec()
			f.external(server.CredentialsName(mover.PostgreSQL))
			f.move(proven(open(f, MoveCommitted), at))
		}},
		{"returning", func(f *facts) { f.stopped(); f.move(proven(open(f, MoveReturning), at)) }},
		{"open, wanted internal", func(f *facts) { f.s = internalSpec(); f.move(open(f, MoveOpen)) }},
		{"open, no longer in the spec", func(f *facts) { f.s.Datastores.PostgreSQL = nil; f.move(open(f, MoveOpen)) }},
		{"open, another target wanted", func(f *facts) { f.move(open(f, MoveOpen)); f.pg().External.Port = 6432 }},
	})
}

// twoTruths is a release that reads the internal server again after a move out.
func (f *facts) twoTruths(at time.Time, inside, outside mover.Written) {
	f.lineage(server.Lineage{Epoch: 1, Authoritative: spec.External, Endpoint: externalHost + ":5432", At: at})
	f.src().Lineage = &mover.LineageMark{State: "superseded", Epoch: 1}
	f.dst().Lineage = &mover.LineageMark{State: "authoritative", Epoch: 1}
	f.src().Carried, f.dst().Carried = []string{"circleci"}, []string{"circleci"}
	f.src().Writes = &mover.SideWrites{Any: inside, Why: "7 row changes", Last: at.Add(time.Hour), From: "write-ahead log"}
	f.dst().Writes = &mover.SideWrites{Any: outside, Why: "9 row changes", Last: at.Add(2 * time.Hour), Exact: true, From: "oplog"}
	if inside == mover.WrittenNone {
		f.src().Writes = &mover.SideWrites{Any: inside, Why: "no transaction took a number"}
	}
}

func (f *facts) stopped() {
	for i := range f.o.Workloads.Value {
		w := &f.o.Workloads.Value[i]
		w.Recorded = count(w.Replicas)
		w.Replicas, w.Ready, w.Pods = 0, 0, 0
	}
}

func proven(m Move, at time.Time) Move {
	m.Quiesced = at
	p := &m.Parts[0]
	id := m.FenceID(*p)
	p.Committed = m.Phase == MoveCommitted
	p.Fence = &mover.FenceResult{Fence: mover.FenceState{ID: id}}
	p.Copy = &mover.CopyResult{Fence: id}
	p.Proof = &mover.Proof{Fence: id, Compared: map[string]int{"databases": 1}, SecureWrite: true}
	return m
}
