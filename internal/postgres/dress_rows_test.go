package postgres

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
)

// sqlFile runs a file in a database, each of its parts in a transaction.
func sqlFile(t *testing.T, s *pgtest.Server, database, name string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/dress/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	s.Exec(t, "postgres", "create database "+database)
	for part := range strings.SplitSeq(string(raw), "-- commit\n") {
		s.Exec(t, database, part)
	}
}

// dressBroken: all rows that break something are found in one go, with a few of
// their keys, and with no other value of theirs.
func dressBroken(t *testing.T, p pair) {
	t.Helper()
	sqlFile(t, p.source, "orphans", "orphaned_foreign_key")
	sqlFile(t, p.source, "twins", "unique_index_with_duplicates")
	sqlFile(t, p.source, "refused", "rows_a_table_refuses")
	sqlFile(t, p.source, "alike", "keys_that_call_words_equal")
	got := dressed(t, p.dressed())
	var found []string
	for _, d := range got.Differences {
		found = append(found, fmt.Sprintf("%s: %s %s: %s", d.Database, d.Kind, d.Object, d.What))
		if !strings.Contains(d.Fix, "on the source, then run circleci-dr rehearse --with-data") {
			t.Errorf("%s %s: fix %q", d.Kind, d.Object, d.Fix)
		}
		if _, query, ok := strings.Cut(d.Fix, "enable_bitmapscan = off; "); ok {
			if !finds(t, p.source, d.Database, query) {
				t.Errorf("%s: the query of the fix finds nothing: %s", d.Object, query)
			}
		}
		if all := fmt.Sprint(d); strings.Contains(all, "canary") || strings.Contains(all, "example.com") || strings.Contains(all, rehearsalPrefix) {
			t.Errorf("it shows what it must not: %s", all)
		}
	}
	slices.Sort(found)
	for _, want := range []string{
		"orphans: constraint steps_job_fkey on public.steps: rows do not fit: insert or update on table \"steps\" violates foreign key constraint \"steps_job_fkey\" (SQLSTATE 23503); 2 rows, with id 11, 12",
		"orphans: constraint parts_a_b_fkey on public.parts: rows do not fit: insert or update on table \"parts_1\" violates foreign key constraint \"parts_a_b_fkey\" (SQLSTATE 23503); 2 rows, with id 2, 4",
		"twins: index users_email on public.users: rows do not fit: could not create unique index \"users_email\" (SQLSTATE 23505); 4 rows, with id 1, 2, 21, 22",
		"twins: index tokens_token_key on public.tokens: rows do not fit: could not create unique index \"tokens_token_key\" (SQLSTATE 23505); 2 rows; their primary key is none of numbers, so none is shown",
		"refused: constraint states_state_check on public.states: rows do not fit: new row for relation \"states\" violates check constraint \"states_state_check\" (SQLSTATE 23514); 1 row, with id 7",
		"refused: table public.notes: rows do not fit: null value in column \"note\" of relation \"notes\" violates not-null constraint (SQLSTATE 23502); 2 rows, with id 3, 4",
		"refused: table public.words: rows do not fit: new row for relation \"words\" violates check constraint \"words_word_check\" (SQLSTATE 23514)",
		"refused: table public.spoken_of: rows do not fit: integrity constraint violation in PL/pgSQL function spoken(text) line 1 at RAISE (the server's message may quote a row and is left out) (SQLSTATE 23514)",
		"refused: table public.looked_up: the target refuses a value in a row: undefined column in PL/pgSQL function spoken(text) line 1 at EXECUTE (the server's message may quote a row and is left out) (SQLSTATE 42703)",
		"alike: constraint uses_name_name_fkey on public.uses_name: rows do not fit: insert or update on table \"uses_name\" violates foreign key constraint \"uses_name_name_fkey\" (SQLSTATE 23503); 1 row, with id 3",
		"alike: constraint halves_a_b_fkey on public.halves: rows do not fit: insert or update on table \"halves\" violates foreign key constraint \"halves_a_b_fkey\" (SQLSTATE 23503); 1 row, with id 2",
		"alike: index mails_mail on public.mails: rows do not fit: could not create unique index \"mails_mail\" (SQLSTATE 23505); 2 rows, with id 1, 8",
	} {
		if !slices.Contains(found, want) {
			t.Errorf("not found: %s", want)
		}
	}
	if len(found) != 12 || got.Data != nil {
		t.Errorf("found %d, data %v:\n%s", len(found), got.Data, strings.Join(found, "\n"))
	}
}

// finds tells whether a query gives rows when no index is asked.
func finds(t *testing.T, s *pgtest.Server, database, query string) (found bool) {
	t.Helper()
	conn, err := s.ConnectAs(t.Context(), pgtest.Superuser, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), "select exists ("+query+")").Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}
