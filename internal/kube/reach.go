package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"

	"github.com/circleci-dr/circleci-dr/internal/process"
)

// AwayError is an API server that could be asked nothing at all. It is found
// out once, before anything is read, and not by every read again.
type AwayError struct {
	// URL is the server's address, Context the kubeconfig's context that has it;
	// Cause is why it was of no use.
	URL, Context string
	Cause        error
	// Refused tells that it answered, and takes no request of ours.
	Refused bool
}

// Error names the server and the cause, each once.
func (e *AwayError) Error() string {
	server := "the API server " + e.URL
	if e.Context != "" {
		server = fmt.Sprintf("the API server of context %s, %s,", e.Context, e.URL)
	}
	if e.Refused {
		return server + " does not accept our credentials: " + e.Cause.Error()
	}
	return server + " cannot be reached: " + plainly(e.Cause, e.URL)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *AwayError) Unwrap() error { return e.Cause }

// plainly is a cause without the address, where that is the server's own.
func plainly(err error, server string) string {
	var (
		dial   *net.OpError
		number syscall.Errno
	)
	at, parsed := url.Parse(server)
	if errors.As(err, &dial) && dial.Op == "dial" && errors.As(err, &number) && parsed == nil && dial.Addr != nil && dial.Addr.String() == at.Host {
		return number.Error()
	}
	text, _, _ := strings.Cut(err.Error(), "\n") // a login command explains itself at length
	return text
}

// Reach asks the API server for its version, which takes no right, and gives an
// *AwayError when that says that nothing else can be asked either. What may
// pass by itself is tried again for as long as patience lasts; waiting hears of
// it the first time. The version is kept for whoever wants to know it next.
func (c *Client) Reach(ctx context.Context, patience time.Duration, waiting func(error)) error {
	begun := time.Now()
	for told := false; ; told = true {
		err := c.away(ctx)
		var away *AwayError
		if !errors.As(err, &away) || away.Refused || !transient(away.Cause) || time.Since(begun) >= patience {
			return err
		}
		if !told {
			waiting(err)
		}
		if err := process.Pause(ctx, c.beat.look); err != nil {
			return err
		}
	}
}

func (c *Client) away(ctx context.Context) error {
	said, err := c.kube.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil {
		c.remember(said)
		return nil
	}
	gone := &AwayError{URL: address(c.config.Host), Context: c.options.Context, Cause: err}
	var (
		answer  apierrors.APIStatus
		request *url.Error
	)
	switch {
	case errors.As(err, &request): // it says again what was asked of whom
		gone.Cause = request.Err
		return gone
	case !errors.As(err, &answer):
		return gone
	}
	switch answer.Status().Code {
	case http.StatusUnauthorized:
		gone.Refused = true
		return gone
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout: // of a balancer with no server behind it
		return gone
	}
	return nil // it is there, whatever it thinks of this question
}

// remember keeps a version that says which it is; what else was said is asked for
// again by whoever needs it, who can tell what is wrong.
func (c *Client) remember(said []byte) {
	v := &version.Info{}
	if json.Unmarshal(said, v) == nil && v.GitVersion != "" {
		c.version.Store(v)
	}
}

// address is the server's without what a person may have written before its
// host: a name and a password.
func address(host string) string {
	u, err := url.Parse(host)
	if err != nil || u.User == nil {
		return host
	}
	u.User = nil
	return u.String()
}
