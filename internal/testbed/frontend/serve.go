package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// session works on one connection until it breaks or ctx ends.
type session func(ctx context.Context) error

func serve(ctx context.Context, log *slog.Logger, role, address string) error {
	if role == "" {
		return errors.New("serve: --role is missing; " + usage)
	}
	db, err := databaseFromEnv(role)
	if err != nil {
		return err
	}
	status := &tracker{log: log, s: Status{
		Role: role, Started: time.Now(), Host: db.host, Database: db.config.Database,
	}}
	work := session((&reader{db: db, status: status}).session)
	if role == "frontend" {
		w, err := newWriter(db, status)
		if err != nil {
			return err
		}
		defer w.ledger.Close() // every entry was written when it was added
		work = w.session
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve status: %w", err)
	}
	server := &http.Server{Handler: pages(status), ReadHeaderTimeout: 5 * time.Second}
	defer server.Close() // the process ends
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	go report(ctx, status)

	done := make(chan struct{})
	go func() { keepWorking(ctx, status, work); close(done) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve status: %w", err)
	case <-done:
		log.InfoContext(ctx, "stopped", "status", status.read())
		return nil
	}
}

// keepWorking opens session after session until ctx ends; an outage of the
// database is waited out.
func keepWorking(ctx context.Context, status *tracker, work session) {
	for ctx.Err() == nil {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			status.failed(ctx, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// report logs one line a second.
func report(ctx context.Context, status *tracker) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := status.read()
		if s.Writes == nil {
			continue
		}
		status.log.InfoContext(ctx, "wrote", "confirmed", s.Writes.Confirmed, "total", s.Writes.Total, "n", s.Writes.LastN,
			"host", s.Host, "connected", s.Connected, "longestPauseSeconds", s.Writes.Pause.Seconds)
	}
}

func pages(status *tracker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s := status.read(); !s.Ready {
			http.Error(w, "no working session: "+s.Error, http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(status.read()); err != nil {
			status.log.WarnContext(r.Context(), "answer /status", "error", err)
		}
	})
	mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, r *http.Request) { sendLedger(w, r, status.log) })
	return mux
}

func sendLedger(w http.ResponseWriter, r *http.Request, log *slog.Logger) {
	file, err := os.Open(os.Getenv("LEDGER"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer file.Close()
	if _, err := io.Copy(w, file); err != nil {
		log.WarnContext(r.Context(), "answer /ledger", "error", err)
	}
}
