package mover

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"
)

// Presented is the chain of certificates that one host of a server showed to
// our pod. It is asked without verifying.
type Presented struct {
	// Host is host:port, as a client would dial it.
	Host string `json:"host"`
	// Announced tells that the name is the replica set's own for one of its
	// members, and none that the file has.
	Announced bool `json:"announced,omitempty"`
	// Chain is PEM, the server's own certificate first.
	Chain string `json:"chain,omitempty"`
	// System tells that the system's authorities vouch for it.
	System bool `json:"system,omitempty"`
	// Error says why there is no chain.
	Error string `json:"error,omitempty"`
}

// Show fills in a chain; system tells whether the system's authorities vouch
// for it.
func (p *Presented) Show(chain []*x509.Certificate, system func([]*x509.Certificate) bool) {
	if len(chain) == 0 {
		p.Error = "it showed no certificate"
		return
	}
	var text strings.Builder
	for _, c := range chain {
		text.Write(PEM(c))
	}
	p.Chain, p.System = text.String(), system(chain)
}

// PEM writes a certificate as a block of text (RFC 7468).
func PEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: CertificateLabel, Bytes: c.Raw})
}

// CertificateLabel is the label of a certificate (RFC 7468, 5.1).
const CertificateLabel = "CERTIFICATE"

// Reached is how far a connection to one host came.
type Reached struct {
	// Host is host:port, as a client would dial it.
	Host string `json:"host"`
	// Announced tells that the name is the replica set's own for a member.
	Announced bool `json:"announced,omitempty"`
	// Addresses are what the name resolves to.
	Addresses []string `json:"addresses,omitempty"`
	// Error says why there was no connection.
	Error string `json:"error,omitempty"`
}

// Came fills in the outcome of dialling.
func (r *Reached) Came(addresses []string, err error) {
	if r.Addresses = addresses; err != nil {
		r.Error = err.Error()
	}
}

// ReachResult is the result of OpReach.
type ReachResult struct {
	At    time.Time `json:"at"`
	Hosts []Reached `json:"hosts"`
	// Login says why the login failed, where there was a connection.
	Login string `json:"login,omitempty"`
}
