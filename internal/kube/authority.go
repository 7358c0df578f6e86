package kube

import (
	"context"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Authority reads the certificates that a reference points at. A private key
// beside them is left where it is.
func (c *Client) Authority(ctx context.Context, ref spec.SecretRef) engine.Observed[string] {
	content, err := c.resolve(ctx, ref)
	if err != nil {
		return engine.CouldNot[string](err)
	}
	var out strings.Builder
	for rest := []byte(content); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "CERTIFICATE" {
			out.Write(pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: b.Bytes}))
		}
	}
	if out.Len() == 0 {
		return engine.CouldNot[string](errors.New("there is no certificate in PEM in it"))
	}
	return engine.Found(out.String())
}
