package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// upgradesAhead names, in one finding, what the guides say of upgrades that are
// still ahead of the deployed release. No step here makes one; who makes it by
// hand has read a plan before.
func upgradesAhead(s *spec.Spec, o Observation) []engine.Finding {
	deployed, known := server.SupportOf(o.Release.Value.ChartVersion)
	if !known || openMove(o) {
		return nil
	}
	postgres := stayingPostgres(s, o)
	var what, fix, sources []string
	for _, t := range server.TrapsAhead(deployed.Server, postgres) {
		what, fix, sources = append(what, t.What), append(fix, t.Fix), append(sources, t.Source)
	}
	if len(what) == 0 {
		return nil
	}
	return []engine.Finding{{ID: "upgrade-ahead", Source: strings.Join(sources, "; "), What: strings.Join(what, "; "), Fix: strings.Join(fix, "; ")}}
}

// stayingPostgres is the major version of an internal PostgreSQL that this plan
// leaves where it is, by its image: nobody logs in to a server that does not
// move. It is 0 when there is none or the image does not tell.
func stayingPostgres(s *spec.Spec, o Observation) int {
	moves := slices.ContainsFunc(partsWanted(s, &o), func(p Part) bool { return p.Engine == mover.PostgreSQL })
	set := o.Postgres.Internal.Value.StatefulSet
	if !o.Release.Value.Postgres.Internal || moves || !set.Is() {
		return 0
	}
	return imageMajor(set.Value.Image)
}

// imageMajor reads the first number of an image's tag, 0 when it begins with
// none.
func imageMajor(image string) int {
	image, _, _ = strings.Cut(image, "@")
	_, tag, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	n, err := strconv.Atoi(tag[:len(tag)-len(strings.TrimLeft(tag, "0123456789"))])
	if err != nil {
		return 0
	}
	return n
}
