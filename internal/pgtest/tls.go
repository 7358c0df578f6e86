package pgtest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/pkitest"
)

// writeCertificates makes a CA and a certificate for localhost.
func (s *Server) writeCertificates() error {
	ca, err := pkitest.NewAuthority("pgtest CA")
	if err != nil {
		return err
	}
	pair, err := ca.Issue(x509.Certificate{Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		return err
	}
	s.CAFile = filepath.Join(s.Dir, "ca.crt")
	for name, pem := range map[string][]byte{"ca.crt": ca.PEM, "server.crt": pair.Certificate, "server.key": pair.Key} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), pem, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
