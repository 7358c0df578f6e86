package postgres

import (
	"fmt"
	"os"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// newServers starts a pair whose target's admin is a superuser or not.
func newServers(t *testing.T, from, to int, super bool) pair {
	t.Helper()
	if !super {
		return newPair(t, from, to)
	}
	return pair{source: pgtest.New(t, from), target: pgtest.New(t, to), admin: pgtest.Superuser}
}

// copied fences and copies, and fails unless the proof says both sides are
// equal.
func (p pair) copied(t *testing.T) mover.Proof {
	t.Helper()
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	proof := do[mover.Proof](t, p, mover.OpProve)
	if !proof.Equal() {
		t.Fatalf("not equal: %q", differences(proof))
	}
	return proof
}

// loadTexts makes a database main with every kind of text that the pair's older
// server knows.
func loadTexts(t *testing.T, p pair) {
	t.Helper()
	p.source.Exec(t, "postgres", "create role app")
	p.source.Exec(t, "postgres", "create database main")
	for _, major := range []int{12, 14, 15} {
		if p.source.Major < major {
			break
		}
		raw, err := os.ReadFile(fmt.Sprintf("testdata/texts%d.sql", major))
		if err != nil {
			t.Fatal(err)
		}
		p.source.Exec(t, "main", string(raw))
	}
}

// superTexts is what only a superuser can make.
const superTexts = `create aggregate most(order by anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = mode_final, finalfunc_extra);
	comment on aggregate most(order by anyelement) is 'ordered';
	create function quiet(a boolean default ('x'::varchar in ('x', 'y'))) returns boolean language sql leakproof as 'select a';
	create function stop() returns event_trigger language plpgsql as 'begin raise exception $$no$$; end';
	create event trigger stop on ddl_command_start when tag in ('CREATE POLICY', 'CREATE RULE') execute function stop();
	create publication everything for all tables`

// TestTextsOfTwoHistories copies objects whose text the target prints in other
// words than the source, between every two servers.
func TestTextsOfTwoHistories(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to int
		super    bool
	}{{12, 12, true}, {12, 14, false}, {12, 15, false}, {12, 15, true}, {14, 15, false}, {15, 15, false}} {
		t.Run(fmt.Sprintf("%d to %d, superuser %t", c.from, c.to, c.super), func(t *testing.T) {
			p := newServers(t, c.from, c.to, c.super)
			loadTexts(t, p)
			if c.super {
				p.source.Exec(t, "main", superTexts)
			}
			if n := p.copied(t).Compared["texts read in by the target"]; n < 10 {
				t.Errorf("the target read in %d texts only", n)
			}
		})
	}
}
