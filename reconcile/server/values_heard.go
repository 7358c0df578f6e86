package server

import (
	"errors"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/spec"
)

var (
	errNotBool   = errors.New("is not true or false")
	errNotScalar = errors.New("is a list or a block, not one value")
)

func heardPort(x *spec.PostgreSQLExternal, v any) string {
	n, err := strconv.Atoi(ValueText(v))
	if err != nil {
		return "the release says " + ValueText(v) + ", which is no port"
	}
	x.Port = n
	return ""
}

// heardSecureMode takes the application's way to connect for the mover's: the
// value decides both from now on (DatastoreValues).
func heardSecureMode(x *spec.PostgreSQLExternal, v any) string {
	if v != true {
		x.TLS.Mode = spec.TLSDisable
		return "decide: postgresql.secureMode is false, so the application does not ask for encryption. verify-full asks for it and checks who answers; " +
			"the release's own values have to say secureMode: true then"
	}
	x.TLS.Mode = spec.TLSVerifyFull
	return "decide: the release encrypts (postgresql.secureMode) and does not say who vouches for the server. Without ca it is the system's roots"
}

func heardSSL(x *spec.MongoDBExternal, v any) string {
	on := v == true
	x.TLS.Enabled = &on
	if !on {
		return "decide: mongodb.ssl is false, so the application does not encrypt"
	}
	return ""
}

func heardInsecure(v any) string {
	if v != true {
		return ""
	}
	return "decide: mongodb.tlsInsecure is true, so the application does not check who answers. circleci-dr always does, by the system's roots unless ca names others"
}

func sayOptions(x *spec.MongoDBExternal) any {
	if x.ReplicaSet == "" {
		return x.Options
	}
	return strings.TrimSuffix("replicaSet="+EscapeQuery(x.ReplicaSet)+"&"+x.Options, "&")
}

func heardOptions(x *spec.MongoDBExternal, v any) string {
	left := x.HearOptions(ValueText(v))
	if len(left) == 0 {
		return ""
	}
	return "decide: left out of mongodb.options: " + strings.Join(left, ", ") + ". Credentials, authorities and client certificates have fields of their own here"
}

// heardAuthSource leaves alone what the options said: they win in a driver.
func heardAuthSource(x *spec.MongoDBExternal, v any) string {
	text := ValueText(v)
	if x.AuthSource != "" && x.AuthSource != text {
		return "mongodb.options says so, and wins over mongodb.auth.database, which is " + text
	}
	x.AuthSource = text
	return ""
}

func heardMechanism(x *spec.MongoDBExternal, v any) string {
	text := ValueText(v)
	if x.Mechanism == "" {
		x.Mechanism = text
	}
	if x.Mechanism == "SCRAM-SHA-1" || x.Mechanism == "SCRAM-SHA-256" {
		return ""
	}
	x.Mechanism = ""
	return "decide: the release logs in with " + text + ", and circleci-dr knows SCRAM-SHA-1 and SCRAM-SHA-256 only"
}
