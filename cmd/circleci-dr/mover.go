package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/mongo"
	"github.com/circleci-dr/circleci-dr/internal/postgres"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// moverCommand is what runs in a mover pod. It is hidden: people have plan
// and apply.
func (p *program) moverCommand() *cli.Command {
	var request string
	return &cli.Command{
		Name: "mover", Hidden: true, Usage: "work on databases inside the cluster",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "request", Usage: "the request, JSON in `FILE`", Destination: &request}},
		Action: func(c *cli.Context) error { return p.runMover(c.Context, request) },
	}
}

// lines writes numbered events, one a line.
type lines struct {
	mu  sync.Mutex
	enc *json.Encoder
	seq int64
	err error
}

func (l *lines) write(e mover.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e.Seq = l.seq
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	if err := l.enc.Encode(e); err != nil && l.err == nil {
		l.err = err
	}
}

func (p *program) runMover(ctx context.Context, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the mover's request: %w", err)
	}
	var req mover.Request
	if err := json.Unmarshal(data, &req); err != nil {
		return fmt.Errorf("read the mover's request: %w", err)
	}
	out := &lines{enc: json.NewEncoder(p.out)}
	var result any
	switch req.Engine {
	case mover.PostgreSQL:
		result, err = postgres.Run(ctx, req, out.write)
	case mover.MongoDB:
		result, err = mongo.Run(ctx, req, out.write)
	default:
		err = fmt.Errorf("this version moves no %q", req.Engine)
	}
	var raw json.RawMessage
	if err == nil {
		raw, err = json.Marshal(result)
	}
	if err != nil {
		out.write(failure(err))
		return errors.Join(&verdict{codeFailed, "the mover failed"}, out.err)
	}
	out.write(mover.Event{Phase: "done", Result: raw})
	return out.err
}

func failure(err error) mover.Event {
	e := mover.Event{Phase: "failed", Error: err.Error(), Code: mover.CodeFailed}
	var m *mover.Error
	if errors.As(err, &m) {
		e.Code, e.Side = m.Code, m.Side
	}
	return e
}
