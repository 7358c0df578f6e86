package spec

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// mongoOption is one option of a MongoDB connection string.
type mongoOption struct {
	name string
	// ours tells that it says how the server is reached, so that it concerns our
	// own connections as it does the application's. Every other one is about
	// what the application wants of its connections.
	ours bool
	// must says what a value has to be, "" when it is that.
	must func(value string) string
}

// mongoOptions are the options of MongoDB's drivers: those of the
// specification (github.com/mongodb/specifications, uri-options), and those
// that single drivers, the Java driver of the application's among them, know
// beside it (com.mongodb.ConnectionString; Go: x/mongo/driver/connstring).
var mongoOptions = []mongoOption{
	{"appName", false, text},
	{"authMechanism", true, text},
	{"authMechanismProperties", true, text},
	{"authSource", true, text},
	{"compressors", false, listOf("snappy", "zlib", "zstd")},
	{"connect", false, choice("automatic", "direct", "replicaSet")},
	{"connectTimeoutMS", false, atLeast(0)},
	{"directConnection", true, boolean},
	{"gssapiServiceName", true, text},
	{"heartbeatFrequencyMS", false, atLeast(500)},
	{"heartbeatIntervalMS", false, atLeast(500)},
	{"journal", false, boolean},
	{"loadBalanced", false, boolean},
	{"localThresholdMS", false, atLeast(0)},
	{"maxConnecting", false, atLeast(1)},
	{"maxIdleTimeMS", false, atLeast(0)},
	{"maxLifeTimeMS", false, atLeast(0)},
	{"maxPoolSize", false, atLeast(0)},
	{"maxStalenessSeconds", false, staleness},
	{"minPoolSize", false, atLeast(0)},
	{"proxyHost", true, text},
	{"proxyPassword", true, text},
	{"proxyPort", true, between(1, 65535)},
	{"proxyUsername", true, text},
	{"readConcernLevel", false, choice("local", "majority", "linearizable", "available", "snapshot")},
	{"readPreference", false, choice("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest")},
	{"readPreferenceTags", false, anything},
	{"replicaSet", true, text},
	{"retryReads", false, boolean},
	{"retryWrites", false, boolean},
	{"safe", false, boolean},
	{"serverMonitoringMode", false, choice("auto", "poll", "stream")},
	{"serverSelectionTimeoutMS", false, atLeast(0)},
	{"serverSelectionTryOnce", false, boolean},
	{"slaveOk", false, boolean},
	{"socketTimeoutMS", false, atLeast(0)},
	{"srvMaxHosts", false, onlySRV},
	{"srvServiceName", false, onlySRV},
	{"ssl", true, boolean},
	{"sslInvalidHostNameAllowed", true, boolean},
	{"streamType", false, text},
	{"timeoutMS", false, atLeast(0)},
	{"tls", true, boolean},
	{"tlsAllowInvalidCertificates", true, boolean},
	{"tlsAllowInvalidHostnames", true, boolean},
	{"tlsCAFile", true, text},
	{"tlsCertificateKeyFile", true, text},
	{"tlsCertificateKeyFilePassword", true, text},
	{"tlsDisableCertificateRevocationCheck", true, boolean},
	{"tlsDisableOCSPEndpointCheck", true, boolean},
	{"tlsInsecure", true, boolean},
	{"uuidRepresentation", false, choice("unspecified", "standard", "csharpLegacy", "javaLegacy", "pythonLegacy")},
	{"w", false, concern},
	{"waitQueueMultiple", false, atLeast(1)},
	{"waitQueueTimeoutMS", false, atLeast(0)},
	{"wtimeout", false, atLeast(0)},
	{"wTimeoutMS", false, atLeast(0)},
	{"zlibCompressionLevel", false, between(-1, 9)},
	{"zstdCompressionLevel", false, between(1, 22)},
}

// mongoOptionNamed finds an option; drivers do not tell upper from lower case.
func mongoOptionNamed(name string) (mongoOption, bool) {
	i := slices.IndexFunc(mongoOptions, func(o mongoOption) bool { return strings.EqualFold(o.name, name) })
	if i < 0 {
		return mongoOption{}, false
	}
	return mongoOptions[i], true
}

// OwnMongoOptions are those of the options in datastores.mongodb.external.options
// that say how the server is reached, by their name in lower case. What the
// application wants beside that, such as a limit on how long an answer may
// take, fits its queries and not a copy.
func OwnMongoOptions(options string) (map[string]string, error) {
	query, err := url.ParseQuery(options)
	if err != nil {
		return nil, fmt.Errorf("read connection options: %w", err)
	}
	own := map[string]string{}
	for name, values := range query {
		if o, known := mongoOptionNamed(name); known && o.ours {
			own[strings.ToLower(name)] = values[len(values)-1]
		}
	}
	return own, nil
}

// mongodbOption checks one option. What it holds is not shown: it may be a
// secret in the wrong place.
func mongodbOption(r *reporter, p path, name string, values []string) {
	o, known := mongoOptionNamed(name)
	if !known {
		var names []string
		for _, o := range mongoOptions {
			names = append(names, o.name)
		}
		r.add(p, CodeUnknownKey, "must hold options that MongoDB's drivers know", "option "+showText(name), didYouMean(name, names, "see the connection string options in MongoDB's manual"))
		return
	}
	if len(values) > 1 && o.name != "readPreferenceTags" {
		r.add(p, CodeDuplicate, "must give each option once", "option "+name+" "+strconv.Itoa(len(values))+" times", "remove all but one: drivers disagree which one counts")
	}
	for _, value := range values {
		if strings.EqualFold(name, "loadBalanced") && value == "true" {
			r.add(p, CodeRule, "must not ask for a load balancer", "option "+name, "name the members of the replica set in hosts: a move has to know which of them takes writes")
		}
		if must := o.must(value); must != "" {
			r.add(p, CodeValue, must, "option "+name+" with another value, which is not shown", "")
			break
		}
	}
}

func anything(string) string { return "" }

func text(value string) string {
	if value == "" {
		return "must give the option a value"
	}
	return ""
}

func boolean(value string) string { return choice("true", "false")(value) }

func choice(words ...string) func(string) string {
	return func(value string) string {
		if slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, value) }) {
			return ""
		}
		return "must be " + oneOf(words)
	}
}

func listOf(words ...string) func(string) string {
	return func(value string) string {
		for item := range strings.SplitSeq(value, ",") {
			if !slices.Contains(words, item) {
				return "must be a list of " + strings.Join(words, ", ")
			}
		}
		return ""
	}
}

// atLeast is for whole numbers that fit the smallest type a driver reads
// them into.
func atLeast(least int) func(string) string {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 32); err != nil || n < int64(least) {
			return fmt.Sprintf("must be a whole number from %d", least)
		}
		return ""
	}
}

func between(least, most int) func(string) string {
	return func(value string) string {
		if n, err := strconv.Atoi(value); err != nil || n < least || n > most {
			return fmt.Sprintf("must be a whole number from %d to %d", least, most)
		}
		return ""
	}
}

// staleness is what max-staleness.md of the drivers' specifications takes.
func staleness(value string) string {
	if value == "-1" || atLeast(90)(value) == "" {
		return ""
	}
	return "must be -1 or a whole number from 90"
}

// concern is a number of members, or a name: majority, or a mode of the set's.
func concern(value string) string {
	if n, err := strconv.Atoi(value); err == nil && (n < 0 || n > 50) {
		return "must be a number of members from 0 to 50, majority, or the name of a mode"
	}
	return text(value)
}

func onlySRV(string) string {
	return "must not hold what only a mongodb+srv:// address has"
}
