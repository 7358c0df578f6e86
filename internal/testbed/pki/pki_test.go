package pki

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"reflect"
	"testing"
)

func parse(t *testing.T, p Pair) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(p.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestIssue(t *testing.T) {
	ca, _, err := NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	tests := []struct {
		request      Request
		dns          []string
		ips          []string
		organization []string
		usage        []x509.ExtKeyUsage
	}{
		{Request{CommonName: "pg14.testbed", Names: []string{"pg14.testbed", "198.18.0.1"}},
			[]string{"pg14.testbed"}, []string{"198.18.0.1"}, nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		{Request{CommonName: "mongo44.testbed", Names: []string{"mongo44.testbed"}, Member: true},
			[]string{"mongo44.testbed"}, nil, nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
		{Request{CommonName: "admin", Organization: "system:masters"},
			nil, nil, []string{"system:masters"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	}
	for _, tt := range tests {
		pair, err := ca.Issue(tt.request)
		if err != nil {
			t.Fatal(err)
		}
		cert := parse(t, pair)
		var ips []string
		for _, ip := range cert.IPAddresses {
			ips = append(ips, ip.String())
		}
		got := fmt.Sprint(cert.Subject.CommonName, cert.DNSNames, ips, cert.Subject.Organization, cert.ExtKeyUsage)
		want := fmt.Sprint(tt.request.CommonName, tt.dns, tt.ips, tt.organization, tt.usage)
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: tt.usage}); err != nil {
			t.Errorf("%s: %v", tt.request.CommonName, err)
		}
		if len(tt.usage) == 2 {
			continue // nothing is wrong for it
		}
		wrong := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if reflect.DeepEqual(tt.usage, wrong) {
			wrong = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: wrong}); err == nil {
			t.Errorf("%s is valid for %v", tt.request.CommonName, wrong)
		}
	}
}
