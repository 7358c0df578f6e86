package server

import (
	"slices"
	"strings"
)

// Trust is what the release tells the application to trust beside the
// authorities of its images' systems (values table of Server 4.1 and newer).
type Trust struct {
	// Certificates is tls.certificates: certificates in PEM, each in base64.
	Certificates []string `json:"certificates,omitempty"`
	// Imports is tls.import: hosts, host:port each, whose certificates are taken
	// on sight.
	Imports []string `json:"imports,omitempty"`
	// Other tells that tls.certificates is something else than a list of texts,
	// so that nothing can be added to it.
	Other bool `json:"other,omitempty"`
}

// ImportsOf tells whether a host's certificate is taken on sight.
func (t Trust) ImportsOf(host string) bool {
	return slices.ContainsFunc(t.Imports, func(h string) bool { return strings.EqualFold(h, host) })
}
