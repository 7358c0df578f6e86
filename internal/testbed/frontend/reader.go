package main

import (
	"context"
	"fmt"
	"time"
)

// reader is any service but the frontend: it keeps a session and reads a
// little every second.
type reader struct {
	db     database
	status link
}

func (r *reader) session(ctx context.Context) error {
	conn, server, err := r.db.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // on the way out
	r.status.connected(ctx, server)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var tables int64
		query, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := conn.QueryRow(query, `SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'public'`).Scan(&tables)
		cancel()
		if err != nil {
			return fmt.Errorf("read from %s: %w", r.db.host, err)
		}
		r.status.change(func(s *Link) { s.Reads++; s.Tables, s.LastOK = tables, time.Now() })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
