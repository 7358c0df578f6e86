package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
)

func (p *program) unlockCommand() *cli.Command {
	var o common
	var owner string
	return &cli.Command{
		Name: "unlock", Usage: "show who holds the lease; remove it with --holder",
		Description: "The lease of a run that died is taken over by itself after 15 seconds; this is for one that hangs.\n" +
			exitsOf("unlock"),
		Flags: append(p.reachFlags(&o),
			&cli.StringFlag{Name: "holder", Usage: "remove the lease of this `OWNER`, as shown without the flag", Destination: &owner}),
		Action: func(c *cli.Context) error { return p.runUnlock(c.Context, o, owner) },
	}
}

func (p *program) runUnlock(ctx context.Context, o common, owner string) error {
	ses, err := p.open(ctx, o, access{readOnly: owner == ""})
	if err != nil {
		return err
	}
	if ses.spec.Server == nil {
		return errNoServer(o)
	}
	held := ses.kube.Holder(ctx)
	switch {
	case held.Unread():
		return &unreachable{errors.New("read the lease: " + held.Why)}
	case held.IsNot():
		_, err := fmt.Fprintln(p.out, "nobody holds the lease")
		return err
	}
	h := held.Value
	fmt.Fprintf(p.out, "%s holds the lease for %s since %s, renewed %s\n", h.Owner, h.Purpose, h.Since.UTC().Format(time.RFC3339), h.Renewed.UTC().Format(time.RFC3339))
	switch {
	case owner == "":
		_, err := fmt.Fprintf(p.out, "to remove it, once you know that it is dead: circleci-dr unlock --file %s --holder %s\n", quote(o.file), quote(h.Owner))
		return err
	case owner != h.Owner:
		return usagef("--holder is %q, but the lease belongs to %q", owner, h.Owner)
	}
	if err := ses.kube.Unlock(ctx, h); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, "the lease is removed")
	return err
}
