package mongo

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// trustAsTold checks no more than the application is told to: the options may
// turn a check off, which the validation of the file names.
func (s *server) trustAsTold() {
	if s.endpoint.TLSMode == "disable" {
		return
	}
	switch {
	case s.options["tlsinsecure"] == "true", s.options["tlsallowinvalidcertificates"] == "true":
		s.endpoint.TLSMode, s.endpoint.CAFile = "require", ""
	case s.options["tlsallowinvalidhostnames"] == "true", s.options["sslinvalidhostnameallowed"] == "true":
		s.endpoint.TLSMode = "verify-ca"
	}
}

// tlsConfig is how we speak TLS with the server; nil is not at all. The modes
// mean what they mean to libpq: require with a CA checks as verify-ca does.
func (s *server) tlsConfig() (*tls.Config, error) {
	mode := s.endpoint.TLSMode
	if mode == "" {
		mode = "verify-full"
	}
	if mode == "disable" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.endpoint.CAFile != "" {
		raw, err := os.ReadFile(s.endpoint.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("read CA file %s: there is no certificate in it", s.endpoint.CAFile)
		}
	}
	if s.endpoint.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(s.endpoint.CertificateFile, s.endpoint.CertificateFile)
		if err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	verifyChain := false
	switch mode {
	case "verify-full":
	case "verify-ca":
		verifyChain = true
	case "require":
		verifyChain = config.RootCAs != nil
	default:
		return nil, fmt.Errorf("TLS mode %q is none of disable, require, verify-ca, verify-full", mode)
	}
	config.InsecureSkipVerify = mode != "verify-full" // asked for; the chain is checked below where it is
	roots := config.RootCAs
	config.VerifyConnection = func(state tls.ConnectionState) error {
		s.spoken.Store(uint32(state.Version))
		if !verifyChain {
			return nil
		}
		return verifyAgainst(roots, state.PeerCertificates)
	}
	return config, nil
}

// verifyAgainst checks a chain and leaves the host's name alone.
func verifyAgainst(roots *x509.CertPool, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("the server showed no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

// tlsVersion is the protocol of our newest connection, empty without TLS.
func (s *server) tlsVersion() string {
	switch s.spoken.Load() {
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}
