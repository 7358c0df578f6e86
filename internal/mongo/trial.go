package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"golang.org/x/sync/errgroup"
)

// A trial asks the target itself what it takes, with the application still up:
// it makes every collection, view and index there, without a document, in
// databases of our own that are dropped again, and compares what came of it as
// the proof would. What a release refuses changes with every patch of it; a
// list of ours would be wrong on the next one. See docs/adr/0047.
const (
	trialPrefix = ownDatabase + "_trial_"
	// trialAge is the age from which what a trial left is nobody's any more.
	trialAge     = 10 * time.Minute
	trialStreams = 4
	// longestNamespace is what a database and a collection may be called
	// together (MongoDB's manual, limits and thresholds).
	longestNamespace = 255
)

// trial is one trial under way.
type trial struct {
	*job
	name string

	mu       sync.Mutex
	found    []mover.UnsupportedObject
	untried  int
	why      error // why something was not tried, the newest reason
	majority string
	// begun tells that something was made which has to be dropped; on a target
	// that is locked nothing was, and a drop would wait.
	begun bool
}

// try makes what the source holds on the target, and says what came of it in
// the target's settings.
func (m *job) try(ctx context.Context, all []database, target *mover.Database) []mover.UnsupportedObject {
	t := &trial{job: m, name: trialPrefix + strconv.FormatInt(time.Now().Unix(), 16) + "_" + m.token[:8]}
	if target.Settings["product"] != productMongoDB || !m.target.hello.Primary || m.target.hello.Message == "isdbgrid" {
		return nil // each is a finding of its own
	}
	if l := target.Lineage; l != nil && l.State == stateAuthoritative {
		return nil // nothing will be copied there
	}
	ctx, cancel := context.WithTimeout(ctx, m.target.limits.trial)
	defer cancel()
	err := t.run(ctx, all)
	if left := t.drop(ctx, len(all)); left != nil {
		err = errors.Join(err, fmt.Errorf("databases %s… could not be dropped again: %w", t.name, left))
	}
	target.Settings["majority"] = t.majority
	switch {
	case err != nil:
		target.Settings["trial"] = err.Error()
	case t.untried > 0:
		target.Settings["trial"] = fmt.Sprintf("%d of the source's collections could not be tried: %v", t.untried, t.why)
	}
	return t.found
}

func (t *trial) run(ctx context.Context, all []database) error {
	if locked, err := t.target.isLocked(ctx); locked || err != nil {
		return errors.Join(errors.New("the target is locked against writes, or does not say"), err)
	}
	t.begun = true
	if err := t.sweep(ctx); err != nil {
		return err
	}
	if err := t.writeMajority(ctx); err != nil || t.majority != "" {
		return err
	}
	if err := t.documents(ctx, all); err != nil {
		return err
	}
	for i, d := range all {
		if err := t.database(ctx, d, t.place(i)); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) place(i int) string { return fmt.Sprintf("%s_%d", t.name, i) }

// sweep drops what an older trial left that was killed.
func (t *trial) sweep(ctx context.Context) error {
	var listed struct {
		Databases []struct {
			Name string `bson:"name"`
		} `bson:"databases"`
	}
	if err := t.target.command(ctx, "admin", bson.D{{Key: "listDatabases", Value: 1}, {Key: "nameOnly", Value: true}}, &listed); err != nil {
		return err
	}
	for _, d := range listed.Databases {
		stamp, ours := strings.CutPrefix(d.Name, trialPrefix)
		stamp, _, _ = strings.Cut(stamp, "_")
		if made, err := strconv.ParseInt(stamp, 16, 64); !ours || err != nil || time.Since(time.Unix(made, 0)) < trialAge {
			continue
		}
		if err := t.target.dropScratch(ctx, d.Name); err != nil {
			return err
		}
	}
	return nil
}

// dropScratch does not wait for a majority, which may be what is missing.
func (s *server) dropScratch(ctx context.Context, name string) error {
	return s.command(ctx, name, bson.D{{Key: "dropDatabase", Value: 1}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: 1}}}}, nil)
}

// drop drops what this trial made, also when its time is over.
func (t *trial) drop(ctx context.Context, databases int) error {
	if !t.begun {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := t.target.dropScratch(ctx, t.name)
	for i := range databases {
		err = errors.Join(err, t.target.dropScratch(ctx, t.place(i)))
	}
	return err
}

// writeMajority makes one write that waits for a majority, as every mark of
// ours does. A replica set whose majority never comes takes all others, and
// lets this one wait for ever.
func (t *trial) writeMajority(ctx context.Context) error {
	limit := t.target.limits.majority
	command := bson.D{{Key: "insert", Value: "majority"}, {Key: "documents", Value: bson.A{matter("majority")}},
		{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}, {Key: "j", Value: true}, {Key: "wtimeout", Value: limit.Milliseconds()}}}}
	err := t.target.commandWithin(ctx, 2*limit, t.name, command, nil)
	if numberOf(err) == codeWriteConcernFailed {
		t.majority = fmt.Sprintf("a write did not reach a majority of replica set %s within %s%s", t.target.hello.SetName, limit, t.target.missing(ctx))
		return nil
	}
	return err
}

// missing names the members of the set that the primary does not see, as far
// as it tells us.
func (s *server) missing(ctx context.Context) string {
	var status struct {
		Members []struct {
			Name   string  `bson:"name"`
			State  string  `bson:"stateStr"`
			Health float64 `bson:"health"`
		} `bson:"members"`
	}
	if err := s.command(ctx, "admin", bson.D{{Key: "replSetGetStatus", Value: 1}}, &status); err != nil {
		return "; which members are missing cannot be read"
	}
	var down []string
	for _, m := range status.Members {
		if m.Health == 0 || m.State != "PRIMARY" && m.State != "SECONDARY" && m.State != "ARBITER" {
			down = append(down, m.Name+" is "+m.State)
		}
	}
	if len(down) == 0 {
		return ""
	}
	return ": " + strings.Join(down, ", ")
}

// database makes the collections of one database, views last.
func (t *trial) database(ctx context.Context, d database, place string) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(trialStreams)
	made := map[string]collection{} // by the name they have in the trial
	for i, c := range d.collections {
		if blockedBy(c, t.target.build.number()) != "" { // named already; what else is wrong with it is not
			c.indexes = slices.DeleteFunc(slices.Clone(c.indexes), haystack)
			if blockedBy(c, t.target.build.number()) != "" {
				continue
			}
		}
		name := c.name
		if len(place)+1+len(name) > longestNamespace && len(d.name)+1+len(name) <= longestNamespace {
			name = fmt.Sprintf("%s%d", strings.Repeat("x", 20), i) // it is our own database's name that is too long
		}
		g.Go(func() error {
			tried, err := t.collection(gctx, c, place, name)
			t.mu.Lock()
			defer t.mu.Unlock()
			if err != nil {
				t.untried, t.why = t.untried+1, err
			} else if tried != nil {
				made[name] = *tried
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return t.compare(ctx, place, made)
}

// collection makes one collection with its indexes. It gives what should have
// come of it, nil when the target took nothing of it.
func (t *trial) collection(ctx context.Context, c collection, place, name string) (*collection, error) {
	asked := c
	asked.name = name
	create, err := asked.createCommand()
	if err != nil {
		return nil, err
	}
	if err := t.target.command(ctx, place, create, nil); err != nil {
		return nil, t.refused(c.database, c.kind+" "+c.name, err)
	}
	whole, err := asked.indexCommand()
	if err != nil || whole == nil {
		return &c, err
	}
	if err := t.target.command(ctx, place, whole, nil); err == nil || !isRefusal(err) {
		return &c, err
	}
	taken := c
	taken.indexes = nil
	for _, index := range c.indexes {
		one := asked
		one.indexes = []bson.Raw{index}
		command, err := one.indexCommand()
		if err != nil {
			return nil, err
		}
		if err := t.target.command(ctx, place, command, nil); err == nil {
			taken.indexes = append(taken.indexes, index)
		} else if err := t.refused(c.database, "index "+indexName(index)+" on "+c.name, err); err != nil {
			return nil, err
		}
	}
	return &taken, nil
}

// passing are the numbers of what passes: no time left, a server that stops or
// is no longer primary (the server's src/mongo/base/error_codes.yml).
var passing = []int{codeMaxTimeExpired, 91, 189, 262, 10107, 11600, 11602, 13435, 13436}

// isRefusal tells a server that judged what it was given from one that does
// not let us ask, or did not answer.
func isRefusal(err error) bool {
	var command mongo.CommandError
	return errors.As(err, &command) && !notAllowed(err) && !slices.Contains(passing, int(command.Code)) && !command.HasErrorLabel("RetryableWriteError") && !command.HasErrorLabel("NetworkError")
}

// refused notes what the target does not take, and gives back an error that
// is something else.
func (t *trial) refused(database, object string, err error) error {
	if !isRefusal(err) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.found = append(t.found, mover.UnsupportedObject{Database: database, Object: object, Reason: "the target refuses it: " + reasonOf(err)})
	return nil
}

// reasonOf is the end of what a server says, where the reason stands; before
// it comes the whole specification.
func reasonOf(err error) string {
	var command mongo.CommandError
	if !errors.As(err, &command) {
		return err.Error()
	}
	parts := strings.Split(command.Message, " :: caused by :: ")
	return withoutValues(errors.New(parts[len(parts)-1])).Error()
}

// compare reads what the target made of everything and compares it as the
// proof does.
func (t *trial) compare(ctx context.Context, place string, made map[string]collection) error {
	if len(made) == 0 {
		return nil
	}
	there := database{name: place, left: map[string]string{}}
	if err := t.target.readCollections(ctx, &there); err != nil {
		return err
	}
	p := &proof{job: t.job, Comparison: mover.Comparison{Proof: mover.Proof{Compared: map[string]int{}}}}
	for _, have := range there.collections {
		want, ours := made[have.name]
		if !ours {
			continue
		}
		delete(made, have.name)
		if want.kind != have.kind {
			p.Differ(want.database, want.kind, want.name, "becomes a "+have.kind, "", "")
			continue
		}
		p.compareOptions(want, have)
		p.compareIndexes(want, have)
	}
	for _, want := range made {
		p.Differ(want.database, want.kind, want.name, "is not there once made", "", "")
	}
	for _, d := range p.Proof.Differences {
		t.found = append(t.found, mover.UnsupportedObject{Database: d.Database, Object: d.Kind + " " + d.Object,
			Reason: fmt.Sprintf("the target makes something else of it: %s (%s, %s there)", d.What, orNothing(d.Source), orNothing(d.Target))})
	}
	return nil
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// scratchName tells the databases of a trial.
func scratchName(name string) bool { return strings.HasPrefix(name, trialPrefix) }
