package reconcile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// signedText is an authority and what a server shows that it has signed.
type signedText struct{ pem, chain string }

// worldAuthority is one whose certificates are good at the world's time.
var worldAuthority = sync.OnceValue(func() signedText {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	sign := func(c *x509.Certificate, parent *x509.Certificate) string {
		c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), begin, begin.AddDate(20, 0, 0)
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
		if err != nil {
			panic(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "The world's own"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	out := signedText{pem: sign(root, root)}
	out.chain = sign(&x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"m.example.com"}}, server.CertificatesOf(out.pem)[0])
	return out
})

// isPrivate has MongoDB outside show a certificate that the application does not
// trust yet; it trusts something else.
func (w *world) isPrivate() {
	w.private = true
	w.newest().trust = []string{"somebody else's"}
}

func privateSpec() *spec.Spec {
	s := mongoSpec()
	s.Datastores.MongoDB.External.TLS.CA = &spec.SecretRef{File: "ca.pem"}
	return s
}

// trustIn is what a change sets tls.certificates to, nil when it does not.
func trustIn(change server.ReleaseChange) []string {
	list, _ := server.ValueAt(change.Set, server.TrustBlock, "certificates").([]any)
	var out []string
	for _, entry := range list {
		out = append(out, entry.(string))
	}
	return out
}

// Stands and Policies: no place of the world's needs a pod, unless a test says so.
func (w *world) Stands(ctx context.Context) engine.Observed[[]server.Stand] {
	return look(ctx, w, "Stands", func() engine.Observed[[]server.Stand] { return engine.Found(w.stands) })
}

func (w *world) Policies(ctx context.Context, _ []server.Stand, _ []mover.Reached) engine.Observed[[]server.PolicyVerdict] {
	return look(ctx, w, "Policies", func() engine.Observed[[]server.PolicyVerdict] { return engine.Found(w.verdicts) })
}
