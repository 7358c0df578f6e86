package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// aboutServer are the classes of SQLSTATE by which a server speaks of itself, of
// the session or of the network, and says nothing of what it was asked to make
// (PostgreSQL's documentation, appendix A).
var aboutServer = map[string]string{
	"08": "connection exception",
	"25": "invalid transaction state: a standby, a transaction that has failed",
	"28": "invalid authorization",
	"40": "transaction rollback",
	"53": "insufficient resources",
	"57": "operator intervention",
	"58": "system error",
	"XX": "internal error",
}

// lockNotAvailable is an SQLSTATE of class 55. Whoever makes an object may try
// again when somebody has let go of another one; of a text that is only read in
// it says nothing.
const lockNotAvailable = "55P03"

// aboutObject is a server's word about what we asked it to make; nil for one
// about itself, and for what is no server's word.
func aboutObject(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) < 2 || aboutServer[pg.Code[:2]] != "" {
		return nil
	}
	return pg
}

// unread makes an error about a text an *unreadError, and leaves every other one
// as it is.
func unread(err error) error {
	if pg := aboutObject(err); pg != nil && pg.Code != lockNotAvailable {
		return &unreadError{pg: pg}
	}
	return err
}
