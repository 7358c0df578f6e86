package spec

import (
	"net/url"
	"strings"
)

// HearOptions takes the options of a connection string as somebody else wrote
// them: what has a field of its own goes there, the rest into Options in its
// order. It gives the names of options that the file must not hold, or that
// need more than a word: credentials, files in the application's pods, what no
// driver knows.
func (x *MongoDBExternal) HearOptions(text string) (left []string) {
	var rest []string
	for item := range strings.SplitSeq(strings.TrimPrefix(strings.TrimSpace(text), "?"), "&") {
		if item == "" {
			continue
		}
		name, raw, _ := strings.Cut(item, "=")
		value, err := url.QueryUnescape(raw)
		switch field := mongodbFields[strings.ToLower(name)]; {
		case err == nil && field != "" && x.hearOption(field, value):
		case err != nil, field != "", !allowedOption(item):
			left = append(left, showText(name))
		default:
			rest = append(rest, item)
		}
	}
	x.Options = strings.Join(rest, "&")
	return left
}

// hearOption fills the field that an option has, if its value alone says
// enough.
func (x *MongoDBExternal) hearOption(field, value string) bool {
	switch field {
	case "authSource":
		x.AuthSource = value
	case "mechanism":
		x.Mechanism = value
	case "replicaSet":
		x.ReplicaSet = value
	case "tls.enabled":
		on := strings.EqualFold(value, "true")
		x.TLS.Enabled = &on
	default:
		return false
	}
	return true
}

// allowedOption tells whether the rules take an option.
func allowedOption(item string) bool {
	r := newReporter("")
	mongodbOptions(r, path{"datastores", "mongodb", "external", "options"}, item)
	return len(r.items) == 0
}
