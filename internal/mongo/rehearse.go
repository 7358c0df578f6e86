package mongo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"go.mongodb.org/mongo-driver/bson"
)

// rehearsalPrefix is what the names of all databases of rehearsals begin with.
// Every list of databases leaves them out. It is short: a name of database and
// collection together is limited to 255 bytes (120 before 4.4).
const rehearsalPrefix = "circleci_dr_r_"

// cleanTime bounds the removal of what a rehearsal made, which goes on after the
// rehearsal was interrupted.
const cleanTime = time.Minute

// rehearsalRecord is our document about rehearsals on the target: written before
// anything is made, deleted when all of it is gone.
type rehearsalRecord struct {
	Token string   `bson:"token"`
	Made  []string `bson:"made"`
}

// rehearsal is one rehearsal under way.
type rehearsal struct {
	*mover
	names  map[string]string // of the source's databases on the target
	proof  *proof
	result reconcile.Rehearsal
}

// rehearse makes every collection, view, validator and index on the target in
// databases of our own, by the copy's commands, compares them with the source's,
// makes the trial write, and drops everything again. The application is up.
func (m *mover) rehearse(ctx context.Context) (result reconcile.Rehearsal, err error) {
	began := time.Now()
	source, err := m.source.facts(ctx)
	if err != nil {
		return result, err
	}
	if len(source.databases) == 0 {
		return result, failf(sourceSide, reconcile.CodeUnsupported, "rehearse: the source has no database to copy")
	}
	if err := m.target.connect(ctx); err != nil {
		return result, err
	}
	r := &rehearsal{mover: m, names: map[string]string{}, proof: &proof{mover: m, Comparison: reconcile.Comparison{Proof: reconcile.Proof{Compared: map[string]int{}}}}}
	r.result.Schema = schemaDigest(source.databases)
	if err := r.begin(ctx, source.databases); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, r.clear(ctx)) }()
	if err := r.play(ctx, source.databases); err != nil {
		return result, err
	}
	p := r.proof.Finish(0)
	r.result.At, r.result.Duration, r.result.Tries = began.UTC(), time.Since(began), 1
	r.result.Compared, r.result.Differences = p.Compared, p.Differences
	r.result.Left = append(r.result.Left, "documents; users and roles")
	return r.result, nil
}

// begin records the names before anything has one, and drops what a rehearsal
// that was cut off left. What stood in the record stays there until the end: an
// older pod of the same Job may make one more thing before it sees ours.
func (r *rehearsal) begin(ctx context.Context, databases []database) error {
	var left rehearsalRecord
	if _, err := r.target.readMatter(ctx, matterRehearsal, &left); err != nil {
		return err
	}
	record := rehearsalRecord{Token: r.token, Made: left.Made}
	for i, d := range databases {
		r.names[d.name] = fmt.Sprintf("%s%s_%d", rehearsalPrefix, r.token[:6], i+1)
		record.Made = append(record.Made, r.names[d.name])
	}
	if err := r.target.writeMatter(ctx, matterRehearsal, record); err != nil {
		return err
	}
	if len(left.Made) == 0 {
		return nil
	}
	if err := process.Pause(ctx, holdPatience); err != nil {
		return err
	}
	return r.drop(ctx, left.Made)
}

// guard fails when a newer rehearsal has begun.
func (r *rehearsal) guard(ctx context.Context) error {
	var now rehearsalRecord
	if _, err := r.target.readMatter(ctx, matterRehearsal, &now); err != nil {
		return err
	}
	if now.Token != r.token {
		return failf(targetSide, reconcile.CodeOtherHolder, "a newer rehearsal has begun")
	}
	return nil
}

func (r *rehearsal) drop(ctx context.Context, databases []string) error {
	for _, name := range databases {
		if !strings.HasPrefix(name, rehearsalPrefix) {
			return failf(targetSide, reconcile.CodeFailed, "clear a rehearsal: %q is on record in database %s and has no name of a rehearsal", name, ownDatabase)
		}
		if err := r.target.dropDatabase(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// clear drops what is on record and forgets it, unless a newer rehearsal has
// taken the record over.
func (r *rehearsal) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	return clearRehearsals(ctx, r.mover, r.token)
}

// clearRehearsals drops what rehearsals made: of the one with a token, or where
// that is empty of any.
func clearRehearsals(ctx context.Context, m *mover, token string) error {
	var left rehearsalRecord
	there, err := m.target.readMatter(ctx, matterRehearsal, &left)
	if err != nil || !there || token != "" && left.Token != token {
		return err
	}
	if err := (&rehearsal{mover: m}).drop(ctx, left.Made); err != nil {
		return err
	}
	if _, err := m.target.own().DeleteOne(ctx, bson.D{{Key: "_id", Value: matterRehearsal}, {Key: "token", Value: left.Token}}); err != nil {
		return classify(targetSide, fmt.Errorf("forget a rehearsal: %w", err))
	}
	return nil
}

// play makes and compares.
func (r *rehearsal) play(ctx context.Context, source []database) error {
	var made []database
	for _, d := range source {
		r.progress.Enter("rehearse", d.name, 0)
		if err := r.guard(ctx); err != nil {
			return err
		}
		for _, views := range []bool{false, true} { // what views show must be there
			for _, c := range d.collections {
				if (c.kind == kindView) == views {
					if err := r.make(ctx, c); err != nil {
						return err
					}
				}
			}
		}
		there := database{name: r.names[d.name], left: map[string]string{}}
		if err := r.target.readCollections(ctx, &there); err != nil {
			return err
		}
		there.name = d.name
		made = append(made, there)
	}
	for _, d := range source {
		if err := r.write(ctx, d.name); err != nil {
			return err
		}
	}
	r.proof.pairs(r.withoutRefused(source), made)
	return nil
}

// make makes one collection or view and its indexes; each index by itself, so
// that all that are refused are named.
func (r *rehearsal) make(ctx context.Context, c collection) error {
	there := c
	there.database = r.names[c.database]
	if len(there.String()) > maxNamespace && len(c.String()) <= maxNamespace {
		r.result.Left = append(r.result.Left, c.kind+" "+c.String()+": its name is too long in a database of a longer name")
		return nil
	}
	command, err := c.createCommand()
	if err != nil {
		return fail(sourceSide, reconcile.CodeFailed, err)
	}
	if err := r.refused(c, c.kind, c.name, r.target.command(ctx, there.database, command, nil)); err != nil {
		return err
	}
	for _, index := range c.indexes {
		one := there
		one.indexes = []bson.Raw{index}
		command, err := one.indexCommand()
		if err != nil {
			return fail(sourceSide, reconcile.CodeFailed, err)
		}
		if err := r.refused(c, "index", indexName(index)+" on "+c.name, r.target.command(ctx, there.database, command, nil)); err != nil {
			return err
		}
	}
	return nil
}

// refused names what the target says no to; any other error ends the rehearsal.
func (r *rehearsal) refused(c collection, kind, object string, err error) error {
	switch code := errorCode(err); {
	case err == nil:
		return nil
	case numberOf(err) == 0, code == reconcile.CodeUnreachable, code == reconcile.CodePrivilege:
		return err
	}
	r.proof.Differ(c.database, kind, object, "cannot be made on the target: "+strings.ReplaceAll(err.Error(), r.names[c.database], c.database), "", "")
	return nil
}

// withoutRefused is the source without what has been named as refused, or left
// out, which would be named once more as missing.
func (r *rehearsal) withoutRefused(source []database) []database {
	named := map[string]bool{}
	for _, d := range r.proof.Proof.Differences {
		named[d.Database+"\x00"+d.Kind+"\x00"+d.Object] = true
	}
	var out []database
	for _, d := range source {
		kept := d
		kept.collections = nil
		for _, c := range d.collections {
			if named[d.name+"\x00"+c.kind+"\x00"+c.name] || slices.ContainsFunc(r.result.Left, func(l string) bool { return strings.HasPrefix(l, c.kind+" "+c.String()+":") }) {
				continue
			}
			c.indexes = slices.DeleteFunc(slices.Clone(c.indexes), func(i bson.Raw) bool {
				return named[d.name+"\x00index\x00"+indexName(i)+" on "+c.name]
			})
			kept.collections = append(kept.collections, c)
		}
		out = append(out, kept)
	}
	return out
}

// write is the trial write.
func (r *rehearsal) write(ctx context.Context, database string) error {
	return r.target.probe(ctx, r.names[database])
}

// maxNamespace is how long the names of database and collection may be together
// (MongoDB's limits, since 4.4).
const maxNamespace = 255

// schemaDigest is a fingerprint of everything a rehearsal would make.
func schemaDigest(all []database) string {
	sum := sha256.New()
	for _, d := range all {
		fmt.Fprintf(sum, "%q\n", d.name)
		for _, c := range d.collections {
			fmt.Fprintf(sum, "%q %q %q\n", c.name, c.kind, fields(c.options, deadCollectionOptions))
			indexes := slices.Clone(c.indexes)
			slices.SortFunc(indexes, func(a, b bson.Raw) int { return strings.Compare(indexName(a), indexName(b)) })
			for _, i := range indexes {
				fmt.Fprintf(sum, "%q\n", fields(i, deadIndexOptions))
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
