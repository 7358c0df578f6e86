package postgres

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// proof is one comparison under way. It changes nothing on either side.
type proof struct {
	*job
	facts *copyFacts
	// recorded are the digests the copy took on the way, by database, kind
	// and object; nil when they cannot be trusted.
	recorded map[[3]string]digest
	// within are the databases whose insides a rehearsal with rows has compared
	// while it held their snapshots.
	within map[string]bool

	mover.Comparison
}

// prove compares both sides.
func (m *job) prove(ctx context.Context) (mover.Proof, error) {
	began := time.Now()
	p := &proof{job: m, Comparison: mover.Comparison{Proof: mover.Proof{At: began.UTC(), Fence: m.req.Fence, Compared: map[string]int{}}}}
	var err error
	if p.facts, err = m.readFacts(ctx); err != nil {
		return p.Proof, err
	}
	fenced := p.facts.source.fence != nil && (m.req.Fence == "" || p.facts.source.fence.state.ID == m.req.Fence)
	if m.req.Fence != "" && !fenced {
		return p.Proof, failf(sourceSide, mover.CodeMoved, "prove: fence %q does not stand on the source", m.req.Fence)
	}
	before, err := p.counters(ctx)
	if err != nil {
		return p.Proof, err
	}
	if err := p.trustRecords(ctx, fenced, before); err != nil {
		return p.Proof, err
	}
	p.compareRoles()
	if err := p.compareDatabases(ctx); err != nil {
		return p.Proof, err
	}
	after, err := p.counters(ctx)
	if err != nil {
		return p.Proof, err
	}
	if fenced && !maps.Equal(before, after) {
		return p.Proof, failf(sourceSide, mover.CodeMoved, "prove: the source was written to meanwhile, in spite of the fence")
	}
	p.Proof.Counters = after
	if p.Proof.SecureWrite, err = p.secureWrite(ctx); err != nil {
		return p.Proof, err
	}
	return p.Finish(time.Since(began)), nil
}

func (p *proof) counters(ctx context.Context) (map[string]mover.WriteCounter, error) {
	if p.facts.source.fence == nil {
		return nil, nil // without a fence they say nothing
	}
	rests := p.facts.source.fence.state.How == howSystem
	return p.source.readCounters(ctx, databaseNames(p.facts.source.databases), rests)
}

// trustRecords loads the digests the copy took in flight, if nothing has been
// written to the source since: same fence, same write counters.
func (p *proof) trustRecords(ctx context.Context, fenced bool, now map[string]mover.WriteCounter) error {
	if p.req.Thorough || !fenced {
		return nil
	}
	ready, err := p.target.hasOwn(ctx)
	if err != nil || !ready {
		return err
	}
	return p.target.with(ctx, ownDatabase, func(conn *pgx.Conn) error {
		then, err := countersIn(ctx, conn, "dr.counter")
		if err != nil {
			return err
		}
		if !maps.Equal(then, now) {
			p.progress.Say("the source was written to since the copy: reading it again")
			return nil
		}
		p.recorded, err = recordedDigests(ctx, conn, p.facts.source.fence.state.ID)
		return err
	})
}

// countersIn reads one of our own tables of counters.
func countersIn(ctx context.Context, conn *pgx.Conn, table string) (map[string]mover.WriteCounter, error) {
	rows, err := conn.Query(ctx, "select database, inserted, updated, deleted, last_write from "+table)
	if err != nil {
		return nil, fmt.Errorf("read recorded counters: %w", err)
	}
	counters := map[string]mover.WriteCounter{}
	var name string
	var c mover.WriteCounter
	_, err = pgx.ForEachRow(rows, []any{&name, &c.Inserted, &c.Updated, &c.Deleted, &c.LastWrite}, func() error {
		counters[name] = c
		return nil
	})
	return counters, err
}

func recordedDigests(ctx context.Context, conn *pgx.Conn, fence string) (map[[3]string]digest, error) {
	rows, err := conn.Query(ctx, "select database, kind, object, row_count, sum from dr.digest where fence = $1", fence)
	if err != nil {
		return nil, fmt.Errorf("read recorded digests: %w", err)
	}
	digests := map[[3]string]digest{}
	var key [3]string
	var count int64
	var sum string
	_, err = pgx.ForEachRow(rows, []any{&key[0], &key[1], &key[2], &count, &sum}, func() error {
		d, err := parseDigest(count, sum)
		digests[key] = d
		return err
	})
	return digests, err
}

// compareDatabases compares the databases one after another.
func (p *proof) compareDatabases(ctx context.Context) error {
	there := map[string]database{}
	for _, d := range p.facts.target.databases {
		there[d.name] = d
	}
	for _, want := range p.facts.source.databases {
		p.Compared("databases", 1)
		have, ok := there[p.facts.adapted.there(want.name)]
		if !ok {
			p.Differ(want.name, "database", want.name, "is missing on the target", "", "")
			continue
		}
		p.compareDatabase(want, have)
		if p.within[want.name] {
			continue
		}
		if err := p.compareInside(ctx, want, ""); err != nil {
			return fmt.Errorf("compare database %q: %w", want.name, err)
		}
	}
	return nil
}

func (p *proof) compareDatabase(want, have database) {
	for _, f := range [][3]string{
		{"owner", p.facts.adapted.mapped(want.owner), have.owner}, {"encoding", want.encoding, have.encoding},
		{"collate", want.collate, have.collate}, {"ctype", want.ctype, have.ctype},
		{"connection limit", fmt.Sprint(want.connLimit), fmt.Sprint(have.connLimit)}, {"comment", want.comment, have.comment},
		{"locale provider", want.provider, have.provider}, {"provider's locale", want.locale, have.locale}, {"ICU rules", want.icuRules, have.icuRules},
	} {
		if f[1] != f[2] {
			p.Differ(want.name, "database", want.name, f[0]+" differs", f[1], f[2])
		}
	}
}

const beginSnapshot = "begin isolation level repeatable read read only"

// beginUnder begins a transaction that sees what an exported snapshot sees, or
// one of its own where none is named.
func beginUnder(snapshot string) string {
	if snapshot == "" {
		return beginSnapshot
	}
	return beginSnapshot + "; set transaction snapshot " + literal(snapshot)
}

// compareInside compares what a database holds, on the source as an exported
// snapshot shows it where one is named.
func (p *proof) compareInside(ctx context.Context, d database, snapshot string) error {
	return p.source.with(ctx, d.name, func(source *pgx.Conn) error {
		return p.target.with(ctx, p.facts.adapted.there(d.name), func(target *pgx.Conn) error {
			dp := &databaseProof{proof: p, database: d.name, snapshot: snapshot, sourceConn: source, targetConn: target}
			err := dp.begin(ctx, "")
			if err != nil {
				return err
			}
			if dp.record, err = p.from().record(ctx, p.sourceSide(source), d); err != nil {
				return classify(sourceSide, err)
			}
			return dp.run(ctx)
		})
	})
}

// begin opens the transactions that both sides are read in, after what ends
// those before.
func (d *databaseProof) begin(ctx context.Context, end string) error {
	if _, err := d.sourceConn.Exec(ctx, end+beginUnder(d.snapshot)); err != nil {
		return classify(sourceSide, fmt.Errorf("begin snapshot: %w", err))
	}
	if _, err := d.targetConn.Exec(ctx, end+beginSnapshot); err != nil {
		return classify(targetSide, fmt.Errorf("begin snapshot: %w", err))
	}
	return nil
}

// secureWrite shows that the application can work on the target: DDL and a
// write in every database, rolled back.
func (p *proof) secureWrite(ctx context.Context) (bool, error) {
	var written atomic.Int64
	err := p.target.each(ctx, p.facts.adapted.allThere(databaseNames(p.facts.source.databases)), func(ctx context.Context, name string, conn *pgx.Conn) error {
		n, err := p.target.probe(ctx, conn)
		if codeOfError(err) == mover.CodePrivilege {
			p.Differ(name, "write", p.target.endpoint.Username, "role cannot create and write: "+err.Error(), "", "")
			return nil
		}
		written.Add(n)
		if err != nil {
			return fmt.Errorf("try DDL and a write in database %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return written.Load() > 0 && written.Load() == int64(len(p.facts.source.databases)), nil
}

// probe makes a table, writes a row, reads it and takes all back.
func (s *server) probe(ctx context.Context, conn *pgx.Conn) (rows int64, err error) {
	quiet, err := s.quiet(ctx, conn)
	if err != nil {
		return 0, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rollBack(ctx, tx) }() // rolling back is the point
	if _, err := tx.Exec(ctx, strings.Join(quiet, ";")); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `create schema circleci_dr_probe; create table circleci_dr_probe.probe (id serial primary key, note text);
		alter table circleci_dr_probe.probe add column at timestamptz default now(); insert into circleci_dr_probe.probe (note) values ('probe')`)
	if err == nil {
		err = tx.QueryRow(ctx, "select count(*) from circleci_dr_probe.probe").Scan(&rows)
	}
	return rows, err
}
