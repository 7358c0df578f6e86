package pkitest

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
)

// issue signs a leaf and reads it back, as a server or client does.
func issue(t *testing.T, a *Authority, leaf x509.Certificate) *x509.Certificate {
	t.Helper()
	pair, err := a.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	both, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return both.Leaf
}

func authority(t *testing.T, name string) (*Authority, *x509.CertPool) {
	t.Helper()
	a, err := NewAuthority(name)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM) {
		t.Fatal("the authority's certificate cannot be read")
	}
	return a, pool
}

func TestACertificateIsGoodForWhatWasAskedAndNothingElse(t *testing.T) {
	a, ours := authority(t, "ours")
	_, others := authority(t, "ours") // of the same name: the key decides
	server := issue(t, a, x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	client := issue(t, a, x509.Certificate{Subject: pkix.Name{CommonName: "mover", Organization: []string{"clients"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	for name, row := range map[string]struct {
		cert *x509.Certificate
		o    x509.VerifyOptions
		good bool
	}{
		"the server by its name":           {server, x509.VerifyOptions{Roots: ours, DNSName: "localhost"}, true},
		"the server by another name":       {server, x509.VerifyOptions{Roots: ours, DNSName: "127.0.0.1"}, false},
		"the server for another authority": {server, x509.VerifyOptions{Roots: others, DNSName: "localhost"}, false},
		"the client as a client":           {client, x509.VerifyOptions{Roots: ours, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, true},
		"the client as a server":           {client, x509.VerifyOptions{Roots: ours}, false},
		"the client for another authority": {client, x509.VerifyOptions{Roots: others, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, false},
		"the server as a client":           {server, x509.VerifyOptions{Roots: ours, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, false},
	} {
		if _, err := row.cert.Verify(row.o); (err == nil) != row.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if server.SerialNumber.Cmp(client.SerialNumber) == 0 {
		t.Errorf("two certificates have the serial number %s", server.SerialNumber)
	}
	if got, want := client.Subject.String(), "CN=mover,O=clients"; got != want {
		t.Errorf("the client is %s, want %s", got, want)
	}
}
