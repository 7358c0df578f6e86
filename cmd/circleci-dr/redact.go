package main

import (
	"context"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/bundle"
	"github.com/circleci-dr/circleci-dr/internal/kube"
)

// redactorAge is how long a redactor is good for: while an application starts
// its pods are asked every quarter of a minute, and Secrets rarely change.
const redactorAge = time.Minute

// redactorOf makes redactors of what each shows: every secret there is. One that
// could not learn all of them is an error and is not kept.
func redactorOf(each func(ctx context.Context, see func(value string)) error, now func() time.Time) kube.Redactor {
	var mu sync.Mutex
	var known *bundle.Redactor
	var at time.Time
	return func(ctx context.Context) (func(string) string, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil && now().Sub(at) < redactorAge {
			return known.Text, nil
		}
		var secrets []string
		var seen sync.Mutex // a read that was given up may still be at it
		see := func(value string) {
			seen.Lock()
			defer seen.Unlock()
			secrets = append(secrets, value)
		}
		if err := each(ctx, see); err != nil {
			return nil, err
		}
		known, at = bundle.NewRedactor(secrets), now()
		return known.Text, nil
	}
}
