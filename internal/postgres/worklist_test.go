package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestWorkOff(t *testing.T) {
	t.Parallel()
	var made []string
	has := func(what string) bool { return strings.Contains(strings.Join(made, " "), what) }
	needs := func(what, need string) task {
		return task{what: "create " + what, do: func(context.Context) error {
			if need != "" && !has(need) {
				return &pgconn.PgError{Code: "42P01", Message: need + " is missing", Detail: "Key (secret)=(1)", Hint: "make " + need}
			}
			made = append(made, what)
			return nil
		}}
	}
	left, err := workOff(t.Context(), []task{needs("c", "b"), needs("x", "nothing"), needs("b", "a"), needs("y", "x"), needs("a", "")})
	if err != nil || strings.Join(made, " ") != "a b c" || len(left) != 2 {
		t.Fatalf("made %q, left %d, %v", made, len(left), err)
	}
	err = unmade(left)
	for _, part := range []string{"2 objects", "create x: ", "nothing is missing", "hint: make nothing", "create y: ", "x is missing"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not hold %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%q shows a row", err)
	}
}

// TestWorkOffStops: what is not about an object is no reason to try again.
func TestWorkOffStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code string
	}{{&pgconn.PgError{Code: "57P01"}, mover.CodeOtherHolder}, {&pgconn.PgError{Code: "53100"}, mover.CodeFailed}, {errors.New("broken pipe"), mover.CodeFailed}} {
		tries := 0
		_, err := workOff(t.Context(), []task{{what: "create a", do: func(context.Context) error { tries++; return c.err }}, {what: "create b", do: func(context.Context) error { tries++; return nil }}})
		if tries != 1 || errorCode(err) != c.code || !strings.HasPrefix(err.Error(), "create a: ") {
			t.Errorf("%v: %d tries, %v of code %s", c.err, tries, err, errorCode(err))
		}
	}
}

// TestWorkOffTriesNoBrokenKeyAgain: rows that break a key break it the next time,
// and finding out takes long.
func TestWorkOffTriesNoBrokenKeyAgain(t *testing.T) {
	t.Parallel()
	tries := map[string]int{}
	try := func(what, code string, succeeds int) task {
		return task{what: what, do: func(context.Context) error {
			if tries[what]++; tries[what] == succeeds {
				return nil
			}
			return &pgconn.PgError{Code: code}
		}}
	}
	left, err := workOff(t.Context(), []task{try("key", "23503", 0), try("view", "42P01", 2), try("table", "42P01", 1)})
	if err != nil || len(left) != 1 || left[0].what != "key" || tries["key"] != 1 || tries["view"] != 2 {
		t.Errorf("left %d, tries %v, %v", len(left), tries, err)
	}
}
