package postgres

import (
	"cmp"
	"context"
	"strings"
)

func (d *databaseProof) compareCatalogs(ctx context.Context) error {
	d.progress.Enter("compare catalogs", d.database, 0)
	defer func() {
		if d.scratch != nil {
			closeConn(ctx, d.scratch)
		}
	}()
	for _, c := range catalogs {
		if d.facts.adapted.rehearses() && !d.facts.adapted.rows && c.kind == "large object" { // there are none without rows
			continue
		}
		if err := d.compareCatalog(ctx, c); err != nil {
			return err
		}
	}
	return d.compareMemberPrivileges(ctx)
}

// unlike is a fact that both sides do not say alike; one of the two may be
// missing.
type unlike struct{ want, have *fact }

func (u unlike) any() *fact { return cmp.Or(u.want, u.have) }

func (u unlike) oneSided() bool { return u.want == nil || u.have == nil }

// compareCatalog compares one kind of objects and names what differs. It asks
// the target for its reading of a text once both sides have been read, because
// their sessions are busy until then.
func (d *databaseProof) compareCatalog(ctx context.Context, c catalog) error {
	d.progress.Add(c.kind, 0)
	var list []unlike
	n, err := compareFacts(ctx, c, d.record.facts, d.targetSide(d.targetConn), d.facts.adapted.naming(), func(want, have *fact) error {
		u := unlike{want: want, have: have}
		if !d.facts.adapted.keptFact(d.database, u.any()) { // the plan said so, see adaptPublic
			list = append(list, u)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.Compared(plural(c.kind), n)
	missing := map[string]bool{}
	for _, u := range list {
		object := u.any().object
		if u.oneSided() && !optional(u.any().what) && !missing[object] {
			missing[object] = true
			d.nameMissing(c, u.any(), u.have == nil, bestValue(c, list, object))
		}
	}
	relatives, err := d.relatives(ctx, c, list)
	if err != nil {
		return err
	}
	named := map[[2]string]bool{}
	for _, u := range list {
		f := u.any()
		key := [2]string{f.object, f.what}
		switch {
		case missing[f.object]:
		case !u.oneSided():
			if err := d.compareText(ctx, c, u, relatives); err != nil {
				return err
			}
		case !named[key]:
			named[key] = true
			d.nameMissing(c, f, u.have == nil, f.value)
		}
	}
	return nil
}

// compareText names a fact that differs, unless the target reads the source's
// text as what it has.
func (d *databaseProof) compareText(ctx context.Context, c catalog, u unlike, relatives relativeTexts) error {
	alike, why, err := d.readsAlike(ctx, c, u.want, u.have, relatives)
	if err != nil || alike {
		return err
	}
	what := strings.TrimSpace(u.want.what + " differs")
	if why != "" {
		what += ", and the target cannot read the source's: " + why
	}
	d.Differ(d.database, c.kind, u.want.object, what, c.spelled(c.shown(u.want, u.want.value)), c.spelled(c.shown(u.have, u.have.value)))
	return nil
}

// relatives gives the relative texts of the facts that both sides say otherwise.
func (d *databaseProof) relatives(ctx context.Context, c catalog, list []unlike) (texts relativeTexts, err error) {
	var want, have []string
	for _, u := range list {
		if r, _, ok := c.readingOf(u.any()); ok && r.relative != "" && !u.oneSided() {
			want, have = append(want, u.want.of), append(have, u.have.of)
		}
	}
	if texts.source, err = d.record.facts.relative(ctx, c, want); err != nil {
		return texts, classify(sourceSide, err)
	}
	texts.target, err = d.targetSide(d.targetConn).relative(ctx, c, have)
	return texts, classify(targetSide, err)
}

// optional tells a fact that an object may say or not: it is named itself where
// one side lacks it. Any other is said of every object of its kind.
func optional(what string) bool {
	for _, prefix := range []string{"inherited ", optionPrefix, "column ", "order of column ", "expression ", "default of argument "} {
		if strings.HasPrefix(what, prefix) {
			return true
		}
	}
	return what == "comment"
}

func (d *databaseProof) nameMissing(c catalog, f *fact, onSource bool, value string) {
	words := ""
	if optional(f.what) {
		words = f.what + " "
	}
	value = c.spelled(c.shown(f, value))
	if onSource {
		d.Differ(d.database, c.kind, f.object, words+"is missing on the target", value, "")
		return
	}
	d.Differ(d.database, c.kind, f.object, words+"is on the target only", "", value)
}

// bestValue is what is worth showing of an object that only one side has: how
// it is made, else the first of its properties that says something.
func bestValue(c catalog, list []unlike, object string) string {
	best := ""
	for _, u := range list {
		f := u.any()
		telling := f.value != "true" && f.value != "false" && len(f.value) > 1 && c.shown(f, f.value) == f.value
		if f.object != object || !telling {
			continue
		}
		if f.what == "definition" {
			return f.value
		}
		best = cmp.Or(best, f.value)
	}
	return best
}

// spelled is a value as people spell it: access lists are not.
func (c catalog) spelled(value string) string {
	if !c.lists {
		return value
	}
	if list := (naming{}).privileges(value); len(list) > 0 {
		return showPrivileges(list)
	}
	return value
}

// shown is a fact's value as it may be shown.
func (c catalog) shown(f *fact, value string) string {
	if c.hide != nil && c.hide(f.what) {
		return ""
	}
	return value
}
