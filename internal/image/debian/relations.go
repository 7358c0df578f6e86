package debian

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// relation is one clause such as "libpq5 (>= 18.6)". Alternatives are not held
// against anything: no package of an image has any between pinned ones.
var relation = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]*)(?::\w+)? \((<<|<=|=|>=|>>) ([^)]+)\)$`)

// checkRelations holds the versions of the packages against what they ask of
// each other: packages of two suites go into one image only as far as Debian
// itself says that they work together. What they ask of packages that are not
// pinned is no matter here; a library that is missing is found when the image
// is made.
func checkRelations(ctx context.Context, pins Pins, files []string) error {
	for i, file := range files {
		out, err := run(exec.CommandContext(ctx, "dpkg-deb", "-W", "--showformat", "${Pre-Depends},${Depends}\n${Breaks}\n", file))
		if err != nil {
			return fmt.Errorf("read what %s depends on: %w", pins.Packages[i], err)
		}
		needs, breaks, _ := strings.Cut(string(out), "\n")
		for clauses, wanted := range map[string]bool{needs: true, breaks: false} {
			for clause := range strings.SplitSeq(clauses, ",") {
				if err := pins.check(ctx, pins.Packages[i], strings.TrimSpace(clause), wanted); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// check holds one clause of who against the pinned version of the package that
// it names: wanted tells whether it has to be so or must not be.
func (p Pins) check(ctx context.Context, who Pin, clause string, wanted bool) error {
	m := relation.FindStringSubmatch(clause)
	if m == nil {
		return nil
	}
	i := slices.IndexFunc(p.Packages, func(pin Pin) bool { return pin.Name == m[1] })
	if i < 0 {
		return nil
	}
	err := exec.CommandContext(ctx, "dpkg", "--compare-versions", p.Packages[i].Version, m[2], m[3]).Run()
	var no *exec.ExitError // exit 1 is the answer no
	switch {
	case err != nil && (!errors.As(err, &no) || no.ExitCode() != 1):
		return fmt.Errorf("compare versions of %s: %w", m[1], err)
	case (err == nil) == wanted:
		return nil
	case wanted:
		return fmt.Errorf("%s needs %s, and pinned is %s", who, clause, p.Packages[i])
	}
	return fmt.Errorf("%s does not work with %s, and pinned is %s", who, clause, p.Packages[i])
}
