package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5/pgconn"
)

// rehearsalTries is how often a rehearsal begins, when others waited on it.
const rehearsalTries = 3

// rehearse makes the schema of every database on the target under names of our
// own, by the copy's code, compares it with the source's by the proof's, makes the
// trial write, and drops everything again. The application is up meanwhile: it
// never waits on us for longer than waitLimit.
func (m *job) rehearse(ctx context.Context) (mover.Rehearsal, error) {
	began := time.Now()
	if m.req.WithData && m.req.Limits == nil {
		return mover.Rehearsal{}, failf("", mover.CodeFailed, "rehearse: no limits were given for one with rows")
	}
	for try := 1; ; try++ {
		result, err := m.rehearseOnce(ctx, began)
		result.At, result.Duration, result.Tries, result.WithData = began.UTC(), time.Since(began), try, m.req.WithData
		if ctx.Err() != nil { // the pod is ended, and another one may do it
			return result, fail("", mover.CodeUnreachable, fmt.Errorf("rehearse: interrupted: %w", context.Cause(ctx)))
		}
		if !errors.As(err, new(*waitedError)) && !errors.As(err, new(*changedError)) {
			return result, err
		}
		if try == rehearsalTries {
			return result, fail(sourceSide, mover.CodeInconclusive, fmt.Errorf("rehearse: gave up after %d tries: %w; run it again when the schema of the source is not being changed", try, err))
		}
		m.progress.Say("%s; let go, and begin again", err)
		if err := process.Pause(ctx, time.Duration(try)*5*time.Second); err != nil {
			return result, err
		}
	}
}

func (m *job) rehearseOnce(ctx context.Context, began time.Time) (result mover.Rehearsal, err error) {
	facts, err := m.readFacts(ctx)
	if err != nil {
		return result, err
	}
	if err := m.carriable(facts, "rehearse"); err != nil {
		return result, err
	}
	tool, err := findDump(ctx, max(m.source.version, m.target.version)/10000)
	if err != nil {
		return result, fail("", mover.CodeUnsupported, err)
	}
	if err := m.target.ensureOwn(ctx); err != nil {
		return result, err
	}
	on, err := m.takeStage(ctx)
	if err != nil {
		return result, err
	}
	defer on.leave(ctx)
	if err := on.clear(ctx); err != nil { // what a rehearsal that was cut off left
		return result, err
	}
	defer func() { err = errors.Join(err, on.clear(ctx)) }()
	r := newRehearsal(on, facts, tool)
	err = r.play(ctx, began)
	var limit *limitError
	if errors.As(err, &limit) {
		r.end(limit)
		err = nil
	}
	if err != nil {
		return result, err
	}
	return r.told(), nil
}

// play is the rehearsal while somebody watches.
func (r *rehearsal) play(ctx context.Context, began time.Time) error {
	watched, stop, err := r.watched(ctx, began)
	if err != nil {
		return err
	}
	defer stop()
	err = r.run(watched)
	if cause := context.Cause(watched); err != nil && cause != nil {
		return cause // what was cut off by it says nothing
	}
	return err
}

// watched ends the context it returns when others wait on us, and with rows when
// a limit is met.
func (m *job) watched(ctx context.Context, began time.Time) (context.Context, context.CancelFunc, error) {
	watched, stop, err := m.letGo(ctx)
	if err != nil || !m.req.WithData {
		return watched, stop, err
	}
	limited, end, err := m.limited(watched, began)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return limited, func() { end(); stop() }, nil
}

// rehearsal is one rehearsal under way.
type rehearsal struct {
	*copyRun
	facts  *copyFacts
	proof  *proof
	failed map[string]bool // databases that could not be made
	report mover.Rehearsal
}

func newRehearsal(on *stage, facts *copyFacts, tool dumpTool) *rehearsal {
	prefix := rehearsalPrefix + on.token[:8] + "_"
	facts.adapted = facts.adapted.rehearsed(prefix, databaseNames(facts.source.databases))
	facts.adapted.rows = on.req.WithData
	on.target.rehearsal = prefix
	r := &rehearsal{facts: facts, failed: map[string]bool{}}
	r.copyRun = &copyRun{job: on.job, hold: &holder{conn: on.conn}, dump: tool, adapted: facts.adapted, admin: facts.target.admin.name}
	r.proof = &proof{job: on.job, facts: facts, within: map[string]bool{}, Comparison: mover.Comparison{Proof: mover.Proof{Compared: map[string]int{}}}}
	if on.req.WithData {
		r.dress = &dress{rehearsal: r, digests: map[[3]string]digest{}}
		r.proof.recorded = r.dress.digests
	}
	return r
}

func (r *rehearsal) run(ctx context.Context) (err error) {
	if r.report.Schema, err = r.source.schemaDigest(ctx, r.facts.source); err != nil {
		return err
	}
	began := time.Now()
	if err := r.made(ctx, "roles", "", r.makeRoles(ctx, r.facts)); err != nil {
		return err
	}
	r.analyzers = newBackground(ctx)
	defer r.analyzers.abandon()
	felt, err := r.feelingThere(ctx)
	if err != nil {
		return err
	}
	r.job = felt
	for _, d := range r.facts.source.databases {
		if err := r.made(ctx, "", d.name, r.copyDatabase(ctx, d)); err != nil {
			return err
		}
	}
	if err := r.analyzers.wait(); err != nil { // it has none without rows
		return err
	}
	if err := r.made(ctx, "settings", "", r.applySettings(ctx)); err != nil {
		return err
	}
	copied := time.Now()
	if err := r.compare(ctx); err != nil || r.dress == nil {
		return err
	}
	copying := copied.Sub(began) - r.dress.comparing
	r.dress.comparing += time.Since(copied)
	r.dress.tellData(copying)
	return nil
}

// feelingThere is feeling for databases under other names.
func (r *rehearsal) feelingThere(ctx context.Context) (*job, error) {
	felt, err := r.feeling(ctx, r.facts.source.databases)
	if err != nil {
		return nil, err
	}
	there := map[string]map[string]string{}
	for name, settings := range felt.target.felt {
		there[r.adapted.there(name)] = settings
	}
	felt.target.felt = there
	return felt, nil
}

// lacks are errors of a server that will be there in the outage too: a library
// that it does not have, and more tables than it has locks for.
var lacks = map[string]bool{"58P01": true, "53200": true}

// made turns what a server refuses into a difference, which the outage would have
// met. Any other error ends the rehearsal: it says nothing of the schema.
func (r *rehearsal) made(ctx context.Context, what, database string, err error) error {
	var known *mover.Error
	if err == nil || ctx.Err() != nil {
		return err
	}
	if limit := (*limitError)(nil); r.dress != nil && errors.As(fullError(err), &limit) {
		return limit
	}
	if !errors.As(err, &known) {
		known = &mover.Error{Code: mover.CodeFailed, Err: err}
	}
	var pg *pgconn.PgError
	refused := errors.As(err, &pg) && known.Side != sourceSide && (errors.As(unread(err), new(*unreadError)) || lacks[pg.Code])
	if !refused && known.Code != mover.CodeUnsupported { // it says nothing of the schema
		return err
	}
	r.failed[database] = true
	kind, object := "database", database
	if database == "" {
		kind, object = what, "of the server"
	}
	r.proof.Differ("", kind, object, "cannot be made on the target: "+err.Error(), "", "")
	return nil
}

// compare holds what was made against the source, but for what could not be made,
// which would be named object by object.
func (r *rehearsal) compare(ctx context.Context) (err error) {
	if r.facts.target, err = r.target.facts(ctx); err != nil {
		return err
	}
	var whole []database
	for _, d := range r.facts.source.databases {
		if !r.failed[d.name] {
			whole = append(whole, d)
		}
	}
	r.facts.source.databases = whole
	if !r.failed[""] {
		r.proof.compareRoles()
	}
	if err := r.proof.compareDatabases(ctx); err != nil {
		return err
	}
	if len(whole) > 0 {
		_, err = r.proof.secureWrite(ctx)
	}
	return err
}

// told is the result in the source's names.
func (r *rehearsal) told() mover.Rehearsal {
	names := r.adapted.spoken()
	p := r.proof.Finish(0)
	r.report.Compared = p.Compared
	for _, d := range p.Differences {
		d.Database, d.Object, d.What = names.Replace(d.Database), names.Replace(d.Object), names.Replace(d.What)
		d.Source, d.Target = names.Replace(d.Source), names.Replace(d.Target)
		r.report.Differences = append(r.report.Differences, d)
	}
	r.report.NotTried = r.notTried()
	return r.report
}

// notTried is what the names of a rehearsal hide.
func (r *rehearsal) notTried() []string {
	var left []string
	for _, role := range r.facts.target.globals.roles {
		if r.facts.adapted.trials[role.name] != "" {
			left = append(left, "role "+role.name+" is on the target already: what it may be given there was not tried")
		}
	}
	if r.dress == nil {
		return append(left, "rights on databases; rows, large objects and the positions of sequences")
	}
	return append(slices.Concat(left, r.dress.partly, unlimited(r.req.Limits)), "rights on databases, and the positions of sequences")
}

// end notes which limit was met.
func (r *rehearsal) end(limit *limitError) {
	r.report.Ended = limit.limit
	what := fmt.Sprintf("%s; %d tables with %s were copied by then", limit.what, r.result.Tables, mover.Bytes(r.result.Bytes))
	r.proof.Name(mover.Difference{Kind: mover.KindLimit, Object: limit.limit, What: what, Fix: limit.fix})
}

// rehearse makes the schema, and fills it where rows are carried.
func (d *databaseCopy) rehearse(ctx context.Context) error {
	steps := []func(context.Context) error{d.makeSchema, d.restorePost, d.restoreComments, d.syncPrivileges, d.restoreEventTriggers}
	if d.dress != nil {
		steps = d.dressSteps()
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
