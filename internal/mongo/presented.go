package mongo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// presentTime is how long one host has to show its certificate.
const presentTime = 5 * time.Second

// presented asks every host for its certificate: those we were given and, where
// a driver goes by what the replica set says of itself, those that it announces.
// It is asked without verifying: what the application will make of the chain is
// judged elsewhere.
func (s *server) presented(ctx context.Context) []mover.Presented {
	if s.tls == nil {
		return nil
	}
	var out []mover.Presented
	for _, host := range s.endpoint.Hosts {
		out = append(out, mover.Presented{Host: host})
	}
	if !s.direct {
		for _, host := range s.hello.Hosts {
			if !slices.ContainsFunc(s.endpoint.Hosts, func(seed string) bool { return strings.EqualFold(seed, host) }) {
				out = append(out, mover.Presented{Host: host, Announced: true})
			}
		}
	}
	var all sync.WaitGroup
	for i := range out {
		all.Go(func() { s.ask(ctx, &out[i]) })
	}
	all.Wait()
	return out
}

func (s *server) ask(ctx context.Context, p *mover.Presented) {
	ctx, cancel := context.WithTimeout(ctx, presentTime)
	defer cancel()
	name, _, err := net.SplitHostPort(p.Host)
	if err != nil {
		name = p.Host
	}
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: name, MinVersion: tls.VersionTLS12, Certificates: s.tls.Certificates,
		InsecureSkipVerify: true, //nolint:gosec // nothing is sent: the chain is only looked at
	}}
	conn, err := dialer.DialContext(ctx, "tcp", p.Host)
	if err != nil {
		p.Error = err.Error()
		return
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	p.Show(conn.(*tls.Conn).ConnectionState().PeerCertificates, systemTrusts)
}

// systemTrusts tells whether the authorities of our own image, which are those
// of every ordinary image, vouch for a chain.
func systemTrusts(chain []*x509.Certificate) bool {
	roots, err := x509.SystemCertPool()
	return err == nil && verifyAgainst(roots, chain) == nil
}
