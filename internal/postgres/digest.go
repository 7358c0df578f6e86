package postgres

import (
	"encoding/hex"
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// digest is the order-independent fingerprint of a table: how many rows, and
// the 128-bit hashes of all rows added modulo 2^128. Adding, unlike xor,
// counts a row that is there twice. It finds accidents, not an adversary.
type digest struct {
	rows   int64
	hi, lo uint64
}

func (d *digest) add(h xxh3.Uint128) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, h.Lo, 0)
	d.hi, _ = bits.Add64(d.hi, h.Hi, carry)
	d.rows++
}

func (d digest) String() string { return fmt.Sprintf("%016x%016x", d.hi, d.lo) }

// parseDigest reads what String wrote.
func parseDigest(rows int64, sum string) (digest, error) {
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != 16 {
		return digest{}, fmt.Errorf("read digest %q: not 32 hex digits", sum)
	}
	d := digest{rows: rows}
	for i := range 8 {
		d.hi = d.hi<<8 | uint64(raw[i])
		d.lo = d.lo<<8 | uint64(raw[8+i])
	}
	return d, nil
}
