package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// bothFacts asks both sides at once.
func bothFacts(ctx context.Context, c catalog, source, target factSource, n naming) (s, t factStream, err error) {
	ask := func(s factSource, n naming) (factStream, error) {
		raw, err := s.facts(ctx, c)
		if err != nil {
			return nil, err
		}
		facts, err := c.named(raw, n)
		if err != nil {
			raw.close()
		}
		return facts, err
	}
	var wg sync.WaitGroup
	var sourceErr, targetErr error
	wg.Go(func() { s, sourceErr = ask(source, n) })
	t, targetErr = ask(target, naming{})
	wg.Wait()
	err = errors.Join(classify(sourceSide, sourceErr), classify(targetSide, targetErr))
	for _, r := range []factStream{s, t} {
		if err != nil && r != nil {
			r.close()
		}
	}
	return s, t, err
}

// compareFacts reads one catalog on both sides, the source's in the target's role
// names, and calls differ for each fact that is not the same: want is nil where the
// source says nothing, have where the target does not. It returns how many objects
// were compared.
func compareFacts(ctx context.Context, c catalog, source, target factSource, n naming, differ func(want, have *fact) error) (int, error) {
	s, t, err := bothFacts(ctx, c, source, target, n)
	if err != nil {
		return 0, err
	}
	defer s.close()
	defer t.close()
	return mergeFacts(c, s, t, differ)
}

func mergeFacts(c catalog, s, t factStream, differ func(want, have *fact) error) (objects int, err error) {
	last := ""
	var want, have *fact
	take := func() error {
		if want == nil {
			if want, err = s.next(); err != nil {
				return classify(sourceSide, err)
			}
			if want != nil && (objects == 0 || want.key[0] != last) {
				objects, last = objects+1, want.key[0]
			}
		}
		if have == nil {
			have, err = t.next()
		}
		return classify(targetSide, err)
	}
	for {
		if err := take(); err != nil || want == nil && have == nil {
			return objects, err
		}
		w, h := want, have
		switch order := orderOf(w, h); {
		case order < 0:
			h = nil
		case order > 0:
			w = nil
		}
		if w != nil {
			want = nil
		}
		if h != nil {
			have = nil
		}
		if w != nil && h != nil && alike(c, w, h) {
			continue
		}
		if err := differ(w, h); err != nil {
			return objects, err
		}
	}
}

// alike tells two facts of the same object that say the same.
func alike(c catalog, want, have *fact) bool {
	return want.value == have.value || c.kind != "foreign server" && nameFacts[want.what] && unquoted(want.value) == unquoted(have.value)
}

// orderOf compares two facts by object and what; none sorts last.
func orderOf(a, b *fact) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return slices.Compare(a.key[:], b.key[:])
}
