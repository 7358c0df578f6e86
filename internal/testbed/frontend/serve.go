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
	"sync"
	"time"
)

// session works on one connection until it breaks or ctx ends.
type session func(ctx context.Context) error

func serve(ctx context.Context, log *slog.Logger, role, address string) error {
	if role == "" {
		return errors.New("serve: --role is missing; " + usage)
	}
	sites, status, closeLedgers, err := sitesOf(log, role)
	if err != nil {
		return err
	}
	defer closeLedgers()
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
	go func() { workAll(ctx, sites); close(done) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve status: %w", err)
	case <-done:
		log.InfoContext(ctx, "stopped", "status", status.read())
		return nil
	}
}

// site is one database that this process works on.
type site struct {
	status link
	work   session
}

// sitesOf makes what a role does, and what closes its ledgers.
func sitesOf(log *slog.Logger, role string) ([]site, *tracker, func(), error) {
	pg, err := databaseFromEnv(role)
	if err != nil {
		return nil, nil, nil, err
	}
	mg, err := mongoFromEnv(role)
	if err != nil {
		return nil, nil, nil, err
	}
	status := &tracker{log: log, s: Status{Role: role, Started: time.Now(),
		Link: Link{Host: pg.host, Database: pg.config.Database}, MongoDB: Link{Host: mg.host, Database: mg.name}}}
	if role != "frontend" {
		return []site{
			{status.postgres(), (&reader{db: pg, status: status.postgres()}).session},
			{status.mongodb(), (&mongoReader{db: mg, status: status.mongodb()}).session},
		}, status, func() {}, nil
	}
	instance := newUUID()
	rows, err := newWriter(pg, status, instance)
	if err != nil {
		return nil, nil, nil, err
	}
	documents, err := newMongoWriter(mg, status, instance)
	if err != nil {
		return nil, nil, nil, errors.Join(err, rows.ledger.Close())
	}
	closeLedgers := func() { // every entry was written when it was added
		rows.ledger.Close()
		documents.ledger.Close()
	}
	return []site{{status.postgres(), rows.session}, {status.mongodb(), documents.session}}, status, closeLedgers, nil
}

func workAll(ctx context.Context, sites []site) {
	var all sync.WaitGroup
	for _, s := range sites {
		all.Go(func() { keepWorking(ctx, s.status, s.work) })
	}
	all.Wait()
}

// keepWorking opens session after session until ctx ends; an outage of the
// database is waited out.
func keepWorking(ctx context.Context, status link, work session) {
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

// report logs one line a second and database.
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
		for _, l := range []struct {
			engine string
			Link
		}{{"postgresql", s.Link}, {"mongodb", s.MongoDB}} {
			if l.Writes == nil {
				continue
			}
			status.log.InfoContext(ctx, "wrote", "engine", l.engine, "confirmed", l.Writes.Confirmed, "total", l.Writes.Total, "n", l.Writes.LastN,
				"host", l.Host, "connected", l.Connected, "longestPauseSeconds", l.Writes.Pause.Seconds)
		}
	}
}

func pages(status *tracker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := status.read().broken(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
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
	mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, r *http.Request) { sendLedger(w, r, status.log, "LEDGER") })
	mux.HandleFunc("GET /ledger/mongodb", func(w http.ResponseWriter, r *http.Request) { sendLedger(w, r, status.log, "LEDGER_MONGODB") })
	return mux
}

func sendLedger(w http.ResponseWriter, r *http.Request, log *slog.Logger, variable string) {
	file, err := os.Open(os.Getenv(variable))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer file.Close()
	if _, err := io.Copy(w, file); err != nil {
		log.WarnContext(r.Context(), "answer "+r.URL.Path, "error", err)
	}
}
