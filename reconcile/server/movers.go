package server

import (
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// MoverSide is how a mover reaches one side of a datastore: the address, and
// where what it must not be told openly is kept.
type MoverSide struct {
	Endpoint *mover.Endpoint `json:"endpoint,omitempty"`
	Password *spec.SecretRef `json:"password,omitempty"`
	// CA is the bundle for the server's certificate, nil for the system's.
	CA *spec.SecretRef `json:"ca,omitempty"`
	// Certificate is the client's own, with its key.
	Certificate *spec.SecretRef `json:"certificate,omitempty"`
}
