package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/circleci-dr/circleci-dr/internal/bundle"
	"github.com/circleci-dr/circleci-dr/internal/helm"
	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// gathered is everything that was read, before any of it is redacted.
type gathered struct {
	secrets []string
	// blind is why some secrets are not known, which keeps out what others
	// wrote: it might quote them.
	blind   error
	seen    reconcile.Observation
	history read[[]helm.Revision]
	records read[map[string]string]
	events  read[[]kube.Event]
	parts   read[[]kube.Part]
	logs    read[map[string]string]
}

// read is one answer, or why there is none. It may be both: half an answer.
type read[T any] struct {
	value T
	err   error
}

// gather reads the cluster, all of it side by side, and gives what may be
// handed on.
func (p *program) gather(ctx context.Context, ses *session, o common) *bundle.Bundle {
	ctx, stop := context.WithTimeoutCause(ctx, supportTime, errors.New("no answer within "+supportTime.String()))
	defer stop()
	g := p.readAll(ctx, ses)
	b := bundle.New(bundle.NewRedactor(g.secrets))
	if g.blind != nil {
		b.Missing("secrets, so that logs and the messages of events are left out", g.blind)
	}
	addJSON(b, "observation.json", g.seen)
	for what, o := range map[string]string{
		"observation: release": why(g.seen.Release), "observation: cluster": why(g.seen.Cluster), "observation: workloads": why(g.seen.Workloads),
		"observation: rights": why(g.seen.Denied), "observation: lease": why(g.seen.Lease),
	} {
		if o != "" {
			b.Missing(what, errors.New(o))
		}
	}
	if plan, err := reconcile.MakePlan(ses.spec, g.seen); err != nil {
		b.Missing("plan", err)
	} else {
		var doc bytes.Buffer
		if err := render.PlanJSON(&doc, plan); err != nil {
			b.Missing("plan", err)
		} else {
			b.JSON("plan.json", doc.Bytes())
		}
		var text bytes.Buffer
		if err := render.PlanText(&text, plan, render.Options{File: o.file, Where: ses.spec.Where, Details: true}, applyCommandLine(plan, o, "")); err != nil {
			b.Missing("plan as text", err)
		} else {
			b.Text("plan.txt", text.String())
		}
	}
	g.add(b)
	return b
}

func why[T any](o engine.Observed[T]) string {
	if !o.Unread() {
		return ""
	}
	if o.Why == "" {
		return "it was not looked at"
	}
	return o.Why
}

func (p *program) readAll(ctx context.Context, ses *session) gathered {
	var g gathered
	var mu sync.Mutex
	see := func(value string) {
		mu.Lock()
		defer mu.Unlock()
		g.secrets = append(g.secrets, value)
	}
	var wg sync.WaitGroup
	wg.Go(func() { g.blind = ses.kube.EachSecret(ctx, passwordsOf(ses.spec), see) })
	wg.Go(func() {
		g.seen = reconcile.Observe(ctx, ses.spec, ses.providers, reconcile.ObserveOptions{For: reconcile.UsePlan})
	})
	wg.Go(func() { g.history.value, g.history.err = ses.release.Revisions(ctx, see) })
	wg.Go(func() { g.records.value, g.records.err = ses.kube.OwnRecords(ctx) })
	wg.Go(func() { g.events.value, g.events.err = ses.kube.Events(ctx) })
	wg.Go(func() { g.parts.value, g.parts.err = ses.kube.Parts(ctx) })
	wg.Go(func() { g.logs.value, g.logs.err = ses.kube.MoverLogs(ctx) })
	wg.Wait()
	g.blind = errors.Join(g.blind, g.history.err) // its values hold secrets too
	return g
}

// add puts what was read into the bundle, and says what was not.
func (g *gathered) add(b *bundle.Bundle) {
	for name, doc := range g.records.value {
		if json.Valid([]byte(doc)) {
			b.JSON("records/"+name+".json", []byte(doc))
		} else {
			b.Missing("records/"+name, errors.New("it is not JSON; somebody else wrote it"))
		}
	}
	if g.blind != nil {
		for i := range g.events.value {
			g.events.value[i].Message = ""
		}
		g.logs.value = nil
	}
	for name, log := range g.logs.value {
		b.Text("logs/"+name+".log", log)
	}
	if g.records.err != nil {
		b.Missing("records", g.records.err)
	}
	if g.logs.err != nil {
		b.Missing("logs", g.logs.err)
	}
	put(b, "history.json", g.history.value, g.history.err)
	put(b, "events.json", g.events.value, g.events.err)
	put(b, "workloads.json", g.parts.value, g.parts.err)
}

// put adds a list, as far as it could be read, and says what is missing of it.
func put[T any](b *bundle.Bundle, name string, list []T, err error) {
	if err != nil {
		b.Missing(name, err)
	}
	if len(list) > 0 || err == nil {
		addJSON(b, name, list)
	}
}
