package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// schemaDigest is a fingerprint of everything a rehearsal would make: roles,
// memberships, settings, and each database's catalogs. A partition that differs
// from its siblings in name and bounds only changes nothing: pg_partman makes a
// new one every day.
func (s *server) schemaDigest(ctx context.Context, f sideFacts) (string, error) {
	digests := map[string]string{}
	var mu sync.Mutex
	databases := connectable(f.databases)
	err := s.each(ctx, databaseNames(databases), func(ctx context.Context, name string, conn *pgx.Conn) error {
		sum, err := s.databaseDigest(ctx, conn)
		mu.Lock()
		digests[name] = sum
		mu.Unlock()
		return err
	})
	if err != nil {
		return "", err
	}
	whole := sha256.New()
	for _, r := range f.globals.roles {
		fmt.Fprintf(whole, "%q\n", roleDifferences(r, role{}))
		fmt.Fprintf(whole, "%q\n", r.name)
	}
	for _, m := range f.globals.members {
		fmt.Fprintf(whole, "%q %q %t\n", m.role, m.member, m.admin)
	}
	for _, set := range f.globals.settings {
		fmt.Fprintf(whole, "%q %q\n", set.key(), set.value)
	}
	for _, d := range databases {
		fmt.Fprintf(whole, "%q %q %q %q %q %q %d %q %s\n", d.name, d.owner, d.encoding, d.collate, d.ctype, d.provider+d.locale+d.icuRules, d.connLimit, d.comment, digests[d.name])
	}
	return hex.EncodeToString(whole.Sum(nil)[:16]), nil
}

// databaseDigest is the fingerprint of one database's catalogs.
func (s *server) databaseDigest(ctx context.Context, conn *pgx.Conn) (string, error) {
	family, err := readFamily(ctx, conn)
	if err != nil {
		return "", err
	}
	seen := map[[16]byte]bool{}
	for _, c := range catalogs {
		if c.kind == "large object" {
			continue
		}
		if err := s.addFacts(ctx, conn, c, family, seen); err != nil {
			return "", err
		}
	}
	sums := make([]string, 0, len(seen))
	for sum := range seen {
		sums = append(sums, string(sum[:]))
	}
	slices.Sort(sums)
	whole := sha256.Sum256([]byte(strings.Join(sums, "")))
	return hex.EncodeToString(whole[:16]), nil
}

func (s *server) addFacts(ctx context.Context, conn *pgx.Conn, c catalog, family family, seen map[[16]byte]bool) error {
	raw, err := side{conn: conn, version: s.version, common: s.version}.facts(ctx, c)
	if err != nil {
		return err
	}
	defer raw.close()
	facts, err := c.named(raw, naming{})
	if err != nil {
		return err
	}
	for {
		f, err := facts.next()
		if err != nil || f == nil {
			return err
		}
		if unrehearsedFact(f, false) || f.what == "partition bound" {
			continue
		}
		object := family.names.Replace(f.object)
		if c.kind == "constraint" && f.what == "check" && family.bounds(f.object) {
			continue
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", c.kind, object, f.what, family.names.Replace(f.value)))
		seen[[16]byte(sum[:16])] = true
	}
}

// family are the partitions of a database: their names, spoken as their
// parent's, and the children whose bounds are a check constraint.
type family struct {
	names    *strings.Replacer
	children []string
}

// bounds tells a constraint of a child that was made before PostgreSQL had
// partitions, as pg_partman's own kind of them is: its bounds are a check.
func (f family) bounds(constraint string) bool {
	return slices.ContainsFunc(f.children, func(child string) bool { return strings.HasSuffix(constraint, " on "+child) })
}

func readFamily(ctx context.Context, conn *pgx.Conn) (family, error) {
	rows, err := conn.Query(ctx, `select c.relname::text, i.inhparent::regclass::text, case when c.relispartition then '' else c.oid::regclass::text end
		from pg_inherits i join pg_class c on c.oid = i.inhrelid and c.relkind in ('r', 'p', 'f')`)
	if err != nil {
		return family{}, fmt.Errorf("list partitions: %w", err)
	}
	var f family
	parents := map[string]string{}
	var name, parent, child string
	_, err = pgx.ForEachRow(rows, []any{&name, &parent, &child}, func() error {
		parents[name] = "(a child of " + parent + ")"
		if child != "" {
			f.children = append(f.children, child)
		}
		return nil
	})
	if err != nil {
		return family{}, fmt.Errorf("list partitions: %w", err)
	}
	names := sortedKeys(parents)
	sort.SliceStable(names, func(i, j int) bool { return len(names[i]) > len(names[j]) })
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, name, parents[name])
	}
	f.names = strings.NewReplacer(pairs...)
	return f, nil
}
