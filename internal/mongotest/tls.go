package mongotest

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"slices"

	"github.com/circleci-dr/circleci-dr/internal/pkitest"
)

// writeCertificates makes a CA, a certificate for localhost and nothing else,
// and a client's. Certificate and key share a file, as mongod and MongoDB's
// clients want them.
func (s *Server) writeCertificates() error {
	ca, err := pkitest.NewAuthority("mongotest CA")
	if err != nil {
		return err
	}
	s.CAFile, s.CertificateFile = s.path("ca.crt"), s.path("client.pem")
	if err := os.WriteFile(s.CAFile, ca.PEM, 0o600); err != nil {
		return fmt.Errorf("write CA: %w", err)
	}
	server := x509.Certificate{Subject: pkix.Name{Organization: []string{"server"}, CommonName: "localhost"}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	client := x509.Certificate{Subject: pkix.Name{Organization: []string{"clients"}, CommonName: "mover"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for path, leaf := range map[string]x509.Certificate{s.path("server.pem"): server, s.CertificateFile: client} {
		pair, err := ca.Issue(leaf)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, slices.Concat(pair.Certificate, pair.Key), 0o600); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	return nil
}

// tlsConfig is a client's configuration for this server.
func (s *Server) tlsConfig() (*tls.Config, error) {
	raw, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	pair, err := tls.LoadX509KeyPair(s.CertificateFile, s.CertificateFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
