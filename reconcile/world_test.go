package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// world is everything outside the engine, in memory and with a memory: a
// cluster, a Helm release, two PostgreSQL servers, mover Jobs that outlive the
// process that started them, and a frontend that writes whenever it can.
type world struct {
	mu      sync.Mutex
	clock   time.Time
	apps    map[string]*app
	history []revision
	// PostgreSQL's servers are the world's own fields, MongoDB's stand beside.
	*database
	mongo   *database
	jobs    map[string]*job
	records map[string]engine.Record
	version int

	// strangers are databases on every server that no move carried; noCarried is
	// an older version's move, which left no record of what it did carry.
	strangers []string
	noCarried bool
	// refuses is what a rehearsal finds.
	refuses []mover.Difference
	// ended is the limit that ends a rehearsal with rows, limits those it was given.
	ended  string
	limits *mover.RehearsalLimits
	// noRoom keeps the target from taking a rehearsal.
	noRoom bool
	// shared has the internal server's volume be a directory of its node.
	shared bool

	choice map[mover.Engine]spec.Location // --authoritative
	byHand bool                           // a person scaled the application up, and nobody has since
	wrongs []string
	calls  []string
	hook   func(call int, name, when string) // outside every lock; may panic or cancel
	faults map[int]string                    // by call: before, after, garbage
	fired  int
	at     func(string)
	// turns make what runs side by side repeatable; parallel leaves it to
	// goroutines.
	turns    turns
	parallel bool
	writers  []server.Writer // what scaling does not stop
	tool     tool
	stands   []server.Stand
	verdicts []server.PolicyVerdict
	cutOff   string // what a pod in the application's place meets
	private  bool   // MongoDB outside shows a certificate of a private authority
}

// database is one engine's pair of servers.
type database struct {
	engine   mover.Engine
	in, out  string // the names of its hosts
	src, dst *databaseServer
	store    bool   // the internal StatefulSet is there
	safe     bool   // … and protected
	creds    bool   // our Secret is there
	own      string // the user's own Secret, instead of the chart's
	noTarget bool   // the external server cannot be reached
	inside   bool   // it lives in the cluster before the move
	forked   bool   // the internal side takes writes that nobody will miss
	acked    []int  // ids of rows whose write was acknowledged
}

// databases are both.
func (w *world) databases() []*database { return []*database{w.database, w.mongo} }

func (w *world) of(e mover.Engine) *database {
	if e == mover.MongoDB {
		return w.mongo
	}
	return w.database
}

// app is one workload of the application layer.
type app struct {
	kind, name     string
	replicas       int
	pods, ready    int
	ending         int // polls until superfluous pods are gone
	recorded       *int
	want           int  // what its autoscaler wants, 0 without one
	off            int  // ticks its count has been another; an autoscaler syncs every 15 s
	chart          *int // replicas in the chart's manifest, nil without the field
	manifest       *int // replicas in the newest revision's manifest
	hosts          map[mover.Engine]string
	says           server.Texts // what else its pods are told
	hidden         bool         // it has its addresses from a Secret that we may not read
	writesThrough  bool
	neverGetsReady bool                    // on the other side than home
	unready        int                     // for so long, although they were ready
	home           map[mover.Engine]string // where it reads before the move
}

type revision struct {
	number      int
	status      string
	description string
	internal    bool // PostgreSQL's
	secret      string
	mongoInside bool
	mongoSecret string
	held        bool
	trust       []string
}

func (r revision) inside(e mover.Engine) bool {
	if e == mover.MongoDB {
		return r.mongoInside
	}
	return r.internal
}

type databaseServer struct {
	rows     map[int]int // row id → how often it is there
	copied   map[int]int // the rows of the last copy
	writes   int64       // counted by the server
	appSince int         // application writes since the commit
	fence    string
	stood    bool // … and did before it was taken over
	mark     *mover.LineageMark
	aside    map[int]int // the rows that were set aside
	atMark   int64       // writes when the mark was written
	read     bool        // whole, since the last commit
}

type job struct {
	spec    server.MoverJob
	running int // polls until it ends by itself, 0 when complete
	result  []byte
	err     error
}

const (
	internalHost = "postgresql"
	externalHost = "pg.example.com"
)

func count(n int) *int { return &n }

// newWorld is an installation before its move: counts that no values file
// knows, an autoscaled workload, one whose manifest has no replicas field,
// one at zero, and rows in the database.
func newWorld() *world {
	w := &world{
		clock:    time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC),
		database: newDatabase(mover.PostgreSQL, internalHost, externalHost), mongo: newDatabase(mover.MongoDB, "mongodb", "m.example.com"),
		jobs: map[string]*job{}, records: map[string]engine.Record{}, faults: map[int]string{},
		history: []revision{{number: 5, status: "deployed", description: "Upgrade complete", internal: true, secret: internalHost, mongoInside: true}},
		apps: map[string]*app{
			"Deployment/frontend":   {replicas: 3, chart: count(1), writesThrough: true},
			"Deployment/api":        {replicas: 2, chart: nil},
			"Deployment/web":        {replicas: 4, chart: nil, want: 4},
			"StatefulSet/scheduler": {replicas: 1, chart: count(1)},
			"Deployment/unused":     {replicas: 0, chart: count(1)},
			"CronJob/report":        {replicas: 1, chart: nil, writesThrough: true},
		},
	}
	for key, a := range w.apps {
		a.kind, a.name = splitKey(key)
		a.pods, a.ready, a.manifest = a.replicas, a.replicas, a.chart
		if a.kind == server.KindCronJob {
			a.pods = 0
		}
		a.hosts, a.home = map[mover.Engine]string{}, map[mover.Engine]string{}
		for _, db := range w.databases() {
			a.hosts[db.engine], a.home[db.engine] = db.in, db.in
		}
	}
	for range 5 {
		w.tick()
	}
	return w
}

// writes lets the workloads that write do so, or keeps them from it.
func (w *world) writes(on bool) {
	for _, key := range []string{"Deployment/frontend", "CronJob/report"} {
		w.apps[key].writesThrough = on
	}
}

func newDatabase(e mover.Engine, in, out string) *database {
	return &database{engine: e, in: in, out: out, src: &databaseServer{rows: map[int]int{}}, dst: &databaseServer{rows: map[int]int{}}, store: true, inside: true}
}

func splitKey(key string) (string, string) {
	for i := range key {
		if key[i] == '/' {
			return key[:i], key[i+1:]
		}
	}
	return key, ""
}

// tick is half a second: pods end and start, autoscalers scale, forgotten
// Jobs go on, and the frontend writes.
func (w *world) tick() {
	w.clock = w.clock.Add(500 * time.Millisecond)
	for _, key := range slices.Sorted(maps.Keys(w.apps)) {
		w.apps[key].tick()
	}
	w.toolTick()
	for _, name := range slices.Sorted(maps.Keys(w.jobs)) {
		if j := w.jobs[name]; j.running > 0 {
			if j.running--; j.running == 0 {
				w.complete(j)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.apps)) {
		if a := w.apps[key]; a.pods > 0 && a.writesThrough {
			for _, db := range w.databases() {
				if host := a.hosts[db.engine]; host != "" {
					w.write(db, host)
				}
			}
		}
	}
}

func (a *app) tick() {
	if a.kind == server.KindCronJob {
		a.tickCronJob()
		return
	}
	if a.want > 0 && a.replicas > 0 && a.replicas != a.want {
		if a.off++; a.off >= 30 {
			a.replicas, a.off = a.want, 0
		}
	}
	switch {
	case a.pods > a.replicas:
		if a.ending++; a.ending > 2 {
			a.pods, a.ending = a.replicas, 0
		}
	case a.pods < a.replicas:
		a.pods = a.replicas
	case a.unready > 0:
		a.unready--
	case !a.neverGetsReady || maps.Equal(a.hosts, a.home):
		a.ready = a.pods
	}
	a.ready = min(a.ready, a.replicas)
}

// tickCronJob starts a Job every few seconds, whose pod ends by itself.
func (a *app) tickCronJob() {
	a.ready = a.replicas
	switch a.ending++; {
	case a.pods > 0 && a.ending >= 3:
		a.pods, a.ending = 0, 0
	case a.pods == 0 && a.replicas > 0 && a.ending >= 8:
		a.pods, a.ending = 1, 0
	}
}

// write is one transaction of the frontend. It counts as acknowledged only
// where a server took it.
func (w *world) write(db *database, host string) {
	side, other := db.src, db.dst
	if host == db.out {
		side, other = db.dst, db.src
		if db.noTarget {
			return
		}
	}
	if side.fence != "" || host == db.in && !db.store {
		return
	}
	if db.forked && host == db.in || w.byHand && w.notYet(db, host) {
		side.rows[-len(side.rows)-1]++
		side.writes++
		return
	}
	if side.mark != nil && side.mark.State == "superseded" && other.mark != nil && other.mark.State == "authoritative" {
		w.wrong("the application wrote on %s although the other side is authoritative", host)
	}
	id := len(db.acked) + 1
	db.acked = append(db.acked, id)
	side.rows[id]++
	side.writes++
	side.appSince++
}

// notYet tells whether an application that a person started writes where a move
// in has yet to copy to: nobody promises to keep that.
func (w *world) notYet(db *database, host string) bool {
	m := w.lastMove()
	p := m.part(db.engine)
	return host == db.in && m.Open() && p != nil && p.To == spec.Internal && (db.src.mark == nil || db.src.mark.Epoch != p.Epoch || db.src.mark.State != "authoritative")
}

// reads is where a workload finds PostgreSQL; MongoDB it does not use.
func reads(host string) map[mover.Engine]string {
	return map[mover.Engine]string{mover.PostgreSQL: host}
}

// isHome tells whether the release reads every datastore where it was.
func (w *world) isHome() bool {
	for _, db := range w.databases() {
		if w.newest().inside(db.engine) != db.inside {
			return false
		}
	}
	return true
}

func (w *world) wrong(format string, args ...any) {
	w.wrongs = append(w.wrongs, fmt.Sprintf(format, args...))
}

var errInjected = errors.New("injected: the connection was reset")

// call is one call of a provider: it can be killed, fail before or after its
// effect, or answer garbage (which the caller makes of the returned mode).
func (w *world) call(ctx context.Context, name string, effect func() error) (mode string, err error) {
	w.turns.pass(name)
	w.mu.Lock()
	w.calls = append(w.calls, name)
	n := len(w.calls)
	mode = w.faults[n]
	if mode != "" {
		w.fired++
	}
	w.mu.Unlock()
	if w.hook != nil {
		w.hook(n, name, "before")
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	if mode == "before" {
		return mode, errInjected
	}
	if effect != nil {
		err = func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return effect()
		}()
	}
	if w.hook != nil {
		w.hook(n, name, "after")
	}
	if mode == "after" && err == nil {
		err = errInjected
	}
	return mode, err
}

func look[T any](ctx context.Context, w *world, name string, read func() engine.Observed[T]) engine.Observed[T] {
	var out engine.Observed[T]
	mode, err := w.call(ctx, name, func() error { out = read(); return nil })
	if err != nil || mode == "garbage" {
		if err == nil {
			err = errInjected
		}
		return engine.CouldNot[T](err)
	}
	return out
}

func (w *world) providers() server.Providers {
	together := w.turns.together
	if w.parallel {
		together = nil
	}
	outside := engine.Outside{
		Records: records{w}, Together: together,
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock },
		Wait: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			for ; d > 0; d -= 500 * time.Millisecond {
				w.tick()
			}
			return context.Cause(ctx)
		},
		At: func(p string) {
			w.mu.Lock()
			w.tick()
			w.mu.Unlock()
			if w.at != nil {
				w.at(p)
			}
		},
	}
	return server.Providers{
		Outside: outside, Tool: "test",
		Cluster: w, Releases: releases{w}, Switcher: releases{w}, Workloads: workloads{w}, Neighbours: w, Stores: w,
		Passwords: w, Movers: movers{w}, Access: w, Leases: w, Starts: starts{w}, Authorities: w, Roads: w, Reconcilers: w,
	}
}
