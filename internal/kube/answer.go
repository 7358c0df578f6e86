package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

// answerTime is how long one request may take. An API server ends its own
// requests after a minute; a balancer whose server hangs never does.
const answerTime = 75 * time.Second

// bounded makes every client of config give up a request that is not answered
// whole in time. Streams have no end and are left alone.
func bounded(config *rest.Config, limit time.Duration) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return impatient{next, limit} })
}

type impatient struct {
	next  http.RoundTripper
	limit time.Duration
}

func (t impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	if streams(r) {
		return t.next.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), t.limit, silence{t.limit})
	resp, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		if cause, ok := context.Cause(ctx).(silence); ok { //nolint:errorlint // ours, as we gave it
			err = cause
		}
		cancel()
		return nil, err
	}
	resp.Body = whole{resp.Body, cancel}
	return resp, nil
}

func streams(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("follow") != "" || q.Get("watch") != "" || r.Header.Get("Upgrade") != ""
}

// whole is a body whose clock stops when it is closed.
type whole struct {
	io.ReadCloser
	stop context.CancelFunc
}

func (b whole) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}

// silence is a request that got no answer; as a net.Error it counts among what
// may go away by itself.
type silence struct{ limit time.Duration }

// Error says for how long.
func (e silence) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }

// Timeout is true: that is what it is.
func (silence) Timeout() bool { return true }

// Temporary is part of net.Error.
func (silence) Temporary() bool { return true }
