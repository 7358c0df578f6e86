package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

const (
	// restartTime is how long an API server may be away before something that
	// runs for long is not begun: it restarts when it is upgraded.
	restartTime = 15 * time.Second
	// quietTime is how long a person looks at nothing before being told what is
	// waited for: a firewall that drops what it does not like, a login in a
	// browser.
	quietTime = 5 * time.Second
)

// reach finds out whether the API server can be asked anything, so that this is
// said once and not by every read.
func (p *program) reach(ctx context.Context, client *kube.Client, kubeconfig, kubeContext string, patience time.Duration) error {
	quiet := time.AfterFunc(quietTime, func() {
		fmt.Fprintf(p.err, "circleci-dr: waiting for the API server of context %s\n", kubeContext)
	})
	defer quiet.Stop()
	err := client.Reach(ctx, patience, func(err error) {
		quiet.Stop()
		fmt.Fprintf(p.err, "circleci-dr: %s; trying for %s\n", err, patience)
	})
	var away *kube.AwayError
	if errors.As(err, &away) {
		return &hint{&unreachable{err}, "nothing was changed; is the address right, the VPN up, the login valid? Run this again once an answer comes from: " + askByHand(kubeconfig, kubeContext)}
	}
	return err
}

// askByHand is how a person finds out whether the API server answers.
func askByHand(kubeconfig, kubeContext string) string {
	line := "kubectl"
	if kubeconfig != "" {
		line += " --kubeconfig " + quote(kubeconfig)
	}
	return line + " --context " + quote(kubeContext) + " version"
}

// unreadLines are the things that could not be read where an error is about
// nothing else: each has a line of its own.
func unreadLines(err error) []string {
	var unreadable *reconcile.UnreadableError
	if !errors.As(err, &unreadable) || err.Error() != unreadable.Error() {
		return nil
	}
	return unreadable.What
}
