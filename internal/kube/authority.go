package kube

import (
	"context"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Authority reads the certificates that a reference points at. A private key
// beside them is left where it is.
func (c *Client) Authority(ctx context.Context, ref spec.SecretRef) reconcile.Observed[string] {
	content, err := c.resolve(ctx, ref)
	if err != nil {
		return reconcile.CouldNot[string](err)
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
		return reconcile.CouldNot[string](errors.New("there is no certificate in PEM in it"))
	}
	return reconcile.Found(out.String())
}
