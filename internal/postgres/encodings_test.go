package postgres

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestOrdersOfEncodings: one object that only one side has is the one that is named,
// also where a database puts its names into another order than UTF-8: in KOI8-R ю
// comes first, in windows-1251 ё, in EUC-JP the wide Latin letters.
func TestOrdersOfEncodings(t *testing.T) {
	t.Parallel()
	p := newPair(t, 14, 15)
	p.admin = pgtest.Superuser
	databases := map[string][]string{ // in the order of the encoding, whose first is not the first in UTF-8
		"koi8r":   {"юла", "арбуз", "бобр", "цапля", "дом", "ёж"},
		"win1251": {"ёж", "арбуз", "бобр", "юла"},
		"euc_jp":  {"Ａ", "あ", "ア", "亜", "愛", "一"},
	}
	var want []string
	for name, tables := range databases {
		p.source.Exec(t, "postgres", "create database "+name+" encoding '"+name+"' lc_collate 'C' lc_ctype 'C' template template0")
		p.source.Exec(t, "postgres", "alter database "+name+" set client_encoding = 'UTF8'") // for the sessions of this test
		for _, table := range tables {
			p.source.Exec(t, name, "create table "+ident(table)+" (id int); comment on table "+ident(table)+" is 'x'")
		}
		want = append(want, name+": comment table public."+shownName(tables[0])+": comment is missing on the target")
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	for name, tables := range databases {
		p.target.Exec(t, name, "comment on table "+ident(tables[0])+" is null")
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(differences(do[mover.Proof](t, p, mover.OpProve)))); !slices.Equal(got, want) {
		t.Errorf("differences:\n%q\nwant:\n%q", got, want)
	}
}
