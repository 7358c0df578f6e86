package mongo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver"
	"go.mongodb.org/mongo-driver/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"
)

// The server's own numbers for what went wrong.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeNamespaceNotFound    = 26
	codeMaxTimeExpired       = 50
	codeCommandNotFound      = 59
	codeCommandNotSupported  = 115
	codeNotSupportedByAmazon = 303
	codeViewNotSupported     = 166
	codeWriteConcernFailed   = 64
	codeAPIVersion           = 322
	codeAPIStrict            = 323
	codeAtlas                = 8000
)

// refusals are the numbers by which a server says that it does not let us do
// something, or does not know how to: the server's src/mongo/base/error_codes.yml,
// Amazon's "feature not supported", and the one number with which Atlas answers
// whatever it does not allow (MongoDB Atlas, unsupported commands in M0 clusters).
var refusals = []int{codeUnauthorized, codeCommandNotFound, codeCommandNotSupported, codeNotSupportedByAmazon, codeViewNotSupported, codeAPIVersion, codeAPIStrict, codeAtlas}

// notAllowed tells whether a server refuses what was asked for, whoever asks
// or us: then it is done without where that is possible.
func notAllowed(err error) bool { return slices.Contains(refusals, numberOf(err)) }

// fail makes a mover's error with its class.
func fail(side, code string, err error) error {
	return &mover.Error{Code: code, Side: side, Err: err}
}

func failf(side, code, format string, args ...any) error {
	return fail(side, code, fmt.Errorf(format, args...))
}

// classify gives an error its class by its number or type, unless it has one
// already.
func classify(side string, err error) error {
	var known *mover.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	code := mover.CodeFailed
	var login *auth.Error
	var selection topology.ServerSelectionError
	var conn topology.ConnectionError
	var certErr *tls.CertificateVerificationError
	var netErr net.Error
	number := numberOf(err)
	switch {
	case slices.Contains(refusals, number):
		code = mover.CodePrivilege
	case number == codeAuthenticationFailed, errors.As(err, &login):
		code = mover.CodeCredentials
	case errors.Is(err, context.Canceled):
	case number == codeMaxTimeExpired:
		code = mover.CodeInconclusive
	case errors.As(err, &selection):
		code, err = mover.CodeUnreachable, unanswered(err, selection)
	case errors.As(err, &conn), errors.As(err, &certErr), errors.As(err, &netErr), mongo.IsNetworkError(err), mongo.IsTimeout(err):
		code = mover.CodeUnreachable
	}
	return fail(side, code, withoutValues(err))
}

// unanswered puts the reasons why no server answered in place of the driver's
// picture of the topology.
func unanswered(err error, selection topology.ServerSelectionError) error {
	var reasons []string
	for _, server := range selection.Desc.Servers {
		if server.LastError != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", server.Addr, server.LastError))
		}
	}
	if len(reasons) == 0 {
		return err
	}
	return &redacted{text: "no server answered: " + strings.Join(reasons, "; "), cause: err}
}

// numberOf is the server's number anywhere in a chain, 0 if there is none.
func numberOf(err error) int {
	var command mongo.CommandError
	var inner driver.Error
	var write mongo.WriteException
	switch {
	case errors.As(err, &command):
		return int(command.Code)
	case errors.As(err, &inner):
		return int(inner.Code)
	case errors.As(err, &write) && len(write.WriteErrors) > 0:
		return write.WriteErrors[0].Code
	case errors.As(err, &write) && write.WriteConcernError != nil:
		return write.WriteConcernError.Code
	}
	return 0
}

// quoted is where a server's message begins to quote documents or commands.
var quoted = regexp.MustCompile(`(?s)(to execute command|dup key:|extract geo keys|\{ "?_id"?:).*`)

// redacted is an error whose text leaves out what it quotes: no document may
// reach a log.
type redacted struct {
	text  string
	cause error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.cause }

func withoutValues(err error) error {
	text := quoted.ReplaceAllString(err.Error(), "…")
	if text == err.Error() {
		return err
	}
	return &redacted{text: text, cause: err}
}
