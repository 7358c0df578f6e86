package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"github.com/jackc/pgx/v5"
)

// database is where the chart says the data is.
type database struct {
	config *pgx.ConnConfig
	host   string // host:port, as configured
}

// databaseFromEnv reads the settings that the chart gives every service.
func databaseFromEnv(role string) (database, error) {
	values := map[string]string{}
	for _, name := range []string{"HOST", "PORT", "USERNAME", "PASSWORD", "DATABASE", "SSLMODE"} {
		value := os.Getenv("POSTGRES_" + name)
		if value == "" {
			return database{}, fmt.Errorf("read settings: environment variable POSTGRES_%s is not set", name)
		}
		values[name] = value
	}
	if _, err := strconv.ParseUint(values["PORT"], 10, 16); err != nil {
		return database{}, fmt.Errorf("read settings: POSTGRES_PORT: %w", err)
	}
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%s sslmode=%s connect_timeout=3",
		values["HOST"], values["PORT"], values["SSLMODE"]))
	if err != nil {
		return database{}, fmt.Errorf("read settings: %w", err)
	}
	config.User, config.Password, config.Database = values["USERNAME"], values["PASSWORD"], values["DATABASE"]
	config.RuntimeParams["application_name"] = "circleci " + role
	return database{config: config, host: net.JoinHostPort(values["HOST"], values["PORT"])}, nil
}

// connect opens one session and returns the server's version.
func (d database) connect(ctx context.Context) (*pgx.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, d.config.Copy())
	if err != nil {
		return nil, "", fmt.Errorf("connect to %s: %w", d.host, err)
	}
	return conn, conn.PgConn().ParameterStatus("server_version"), nil
}

// printCount counts in both databases, without a ledger.
func printCount(ctx context.Context, out io.Writer) error {
	table, err := countRows(ctx)
	if err != nil {
		return err
	}
	collection, err := countDocuments(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(map[string]writes.Report{"table": table, "collection": collection})
}

func countRows(ctx context.Context) (writes.Report, error) {
	db, err := databaseFromEnv("count")
	if err != nil {
		return writes.Report{}, err
	}
	conn, _, err := db.connect(ctx)
	if err != nil {
		return writes.Report{}, err
	}
	defer conn.Close(ctx)
	return writes.Count(ctx, conn)
}

func countDocuments(ctx context.Context) (writes.Report, error) {
	db, err := mongoFromEnv("count")
	if err != nil {
		return writes.Report{}, err
	}
	client, _, err := db.connect(ctx)
	if err != nil {
		return writes.Report{}, err
	}
	defer disconnect(ctx, client)
	return writes.CountCollection(ctx, db.collection(client))
}
