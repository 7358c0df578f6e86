package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// CertificatesOf are the certificates in a text: PEM, or base64 of PEM or of
// DER. What is none is left out: a private key beside them is nobody's business.
func CertificatesOf(text string) []*x509.Certificate {
	if raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		if c, err := x509.ParseCertificate(raw); err == nil {
			return []*x509.Certificate{c}
		}
		text = string(raw)
	}
	var out []*x509.Certificate
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return out
		}
		if c, err := x509.ParseCertificate(b.Bytes); b.Type == mover.CertificateLabel && err == nil {
			out = append(out, c)
		}
	}
}

// PoolOf are the certificates in texts, to be trusted.
func PoolOf(texts ...string) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, text := range texts {
		for _, c := range CertificatesOf(text) {
			pool.AddCert(c)
		}
	}
	return pool
}

// Vouched says why nobody in a pool vouches for a chain at a time, or nil.
func Vouched(chain []*x509.Certificate, roots *x509.CertPool, at time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
	return err
}

// TrustEntry is a certificate as it stands in tls.certificates.
func TrustEntry(c *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(mover.PEM(c))
}

// CertificateNames are certificates for people: whose they are, and a fingerprint.
func CertificateNames(entries []string) []string {
	var out []string
	for _, c := range certificatesOfAll(entries) {
		sum := sha256.Sum256(c.Raw)
		out = append(out, fmt.Sprintf("%s (SHA-256 %X…)", c.Subject, sum[:6]))
	}
	return out
}

func certificatesOfAll(entries []string) []*x509.Certificate {
	var out []*x509.Certificate
	for _, e := range entries {
		out = append(out, CertificatesOf(e)...)
	}
	return out
}

// Lacking are the entries with a certificate that a list has not got, in
// whatever way it is written there.
func Lacking(list, entries []string) []string {
	have := certificatesOfAll(list)
	return slices.DeleteFunc(slices.Clone(entries), func(e string) bool {
		return !slices.ContainsFunc(CertificatesOf(e), func(c *x509.Certificate) bool { return !slices.ContainsFunc(have, c.Equal) })
	})
}

// RootOf is the one of the authorities in a text that vouches for a chain, nil
// when none does.
func RootOf(chain []*x509.Certificate, authorities string, at time.Time) *x509.Certificate {
	all := CertificatesOf(authorities)
	// Not every client takes an intermediate for an authority: roots come first.
	slices.SortStableFunc(all, func(a, b *x509.Certificate) int { return selfIssued(b) - selfIssued(a) })
	for _, c := range all {
		pool := x509.NewCertPool()
		pool.AddCert(c)
		if Vouched(chain, pool, at) == nil {
			return c
		}
	}
	return nil
}

func selfIssued(c *x509.Certificate) int {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return 1
	}
	return 0
}
