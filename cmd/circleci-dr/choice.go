package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// choice is which side to go on with where both took writes.
type choice struct{ side, datastore string }

func choiceFlags(c *choice) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "authoritative", Usage: "where both sides took writes, the `SIDE` to go on with: internal or external; what the other took is set aside", Destination: &c.side},
		&cli.StringFlag{Name: "datastore", Usage: "which `DATASTORE` --authoritative is about: postgresql or mongodb", Destination: &c.datastore},
	}
}

// check finds a mistake that shows without the spec.
func (c choice) check() error {
	switch {
	case c.side == "" && c.datastore != "":
		return usagef("--datastore goes with --authoritative")
	case c.side != "" && c.side != string(spec.Internal) && c.side != string(spec.External):
		return usagef("--authoritative must be internal or external (got %q)", c.side)
	}
	return nil
}

// made is the choice for a spec; given is the one of a plan file, which needs
// no flag again.
func (c choice) made(s *spec.Spec, given *engine.Plan) (map[mover.Engine]spec.Location, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.side == "" {
		if given != nil {
			return reconcile.ChosenIn(*given), nil
		}
		return nil, nil
	}
	var declared []string
	for _, e := range server.Engines() {
		if server.Declares(s, e) {
			declared = append(declared, string(e))
		}
	}
	if c.datastore == "" && len(declared) == 1 {
		c.datastore = declared[0]
	}
	for _, name := range declared {
		if name == c.datastore {
			return map[mover.Engine]spec.Location{mover.Engine(name): spec.Location(c.side)}, nil
		}
	}
	if c.datastore == "" {
		return nil, usagef("--authoritative needs --datastore where the file declares %s", strings.Join(declared, " and "))
	}
	return nil, usagef("--datastore must be one that the file declares, %s (got %q)", strings.Join(declared, " or "), c.datastore)
}
