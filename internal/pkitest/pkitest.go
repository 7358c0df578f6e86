// Package pkitest makes the certificates of servers that tests start: an
// authority and what it signs, ECDSA P-256, good for a day. It knows x509; it
// must not know a server.
package pkitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Authority signs certificates. PEM is its own.
type Authority struct {
	PEM []byte

	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// Pair is a certificate and its key as PEM.
type Pair struct{ Certificate, Key []byte }

// NewAuthority makes an authority of that name.
func NewAuthority(name string) (*Authority, error) {
	now := time.Now()
	// An hour of grace for a clock that is set back.
	a := &Authority{cert: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, serial: 1}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	a.key = key
	pair, err := a.sign(a.cert, key)
	if err != nil {
		return nil, fmt.Errorf("make authority %s: %w", name, err)
	}
	a.PEM = pair.Certificate
	return a, nil
}

// Issue makes a certificate for the subject, names and uses of leaf; it is
// good as long as the authority.
func (a *Authority) Issue(leaf x509.Certificate) (Pair, error) {
	a.serial++
	leaf.SerialNumber, leaf.KeyUsage = big.NewInt(a.serial), x509.KeyUsageDigitalSignature
	leaf.NotBefore, leaf.NotAfter = a.cert.NotBefore, a.cert.NotAfter
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", leaf.Subject, err)
	}
	pair, err := a.sign(&leaf, key)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", leaf.Subject, err)
	}
	return pair, nil
}

func (a *Authority) sign(cert *x509.Certificate, key *ecdsa.PrivateKey) (Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}
