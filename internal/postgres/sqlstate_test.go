package postgres

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a server says of itself is no difference and no object that cannot be
// made: neither a proof nor a copy may go on as if it were.
func TestWordsAboutTheServerSayNothingOfAnObject(t *testing.T) {
	for code, c := range map[string]struct{ object, text bool }{
		"42601": {true, true}, "42883": {true, true}, "23505": {true, true}, "55006": {true, true}, "54000": {true, true},
		"55P03": {true, false},
		"08006": {}, "25006": {}, "25P02": {}, "28000": {}, "40001": {}, "53100": {}, "57014": {}, "58030": {}, "XX000": {}, "": {},
	} {
		err := fmt.Errorf("make it: %w", &pgconn.PgError{Code: code})
		if got := aboutObject(err) != nil; got != c.object {
			t.Errorf("%s is about the object: %t", code, got)
		}
		if got := errors.As(unread(err), new(*unreadError)); got != c.text {
			t.Errorf("%s is about the text: %t", code, got)
		}
	}
	if plain := errors.New("the network"); aboutObject(plain) != nil || !errors.Is(unread(plain), plain) {
		t.Error("an error of the network is a server's word")
	}
}
