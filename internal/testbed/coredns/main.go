// Command coredns is CoreDNS with only the plugins a one-node cluster needs.
// It knows which plugins there are and their order; what they serve is in the
// Corefile the testbed writes.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/whoami"
)

// The plugin chain runs in this order. Upstream has template before
// kubernetes, and then our catch-all NXDOMAIN would answer everything.
func init() {
	dnsserver.Directives = []string{
		"bind", "health", "ready", "log", "errors", "reload", "cache",
		"hosts", "kubernetes", "template", "forward", "whoami",
	}
}

func main() { coremain.Run() }
