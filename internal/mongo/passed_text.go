package mongo

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// The text of a digest that was taken while documents went by.
type (
	passedText struct {
		At time.Time `json:"at"`
		// All is how many documents went by; those that had expired by then are in
		// no digest.
		All int64 `json:"all"`
		digestText
		Expiring []spanText `json:"expiring,omitempty"`
	}
	digestText struct {
		Documents int64  `json:"documents"`
		Sum       string `json:"sum"`
	}
	spanText struct {
		After int64 `json:"afterMillis"`
		digestText
	}
)

func (p *passed) text() *passedText {
	if p == nil {
		return nil
	}
	t := &passedText{At: time.UnixMilli(p.since).UTC(), All: p.documents, digestText: p.stays.text()}
	for _, s := range p.spans {
		t.Expiring = append(t.Expiring, spanText{s.after, s.text()})
	}
	return t
}

func (t *passedText) passed() (*passed, error) {
	if t == nil {
		return nil, nil
	}
	p := &passed{since: t.At.UnixMilli(), documents: t.All}
	var err error
	if p.stays, err = t.digest(); err != nil {
		return nil, err
	}
	for _, one := range t.Expiring {
		sum, err := one.digest()
		if err != nil {
			return nil, err
		}
		p.spans = append(p.spans, span{one.After, sum})
	}
	return p, nil
}

func (d digest) text() digestText {
	sum := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, d.hi), d.lo)
	return digestText{Documents: d.documents, Sum: hex.EncodeToString(sum)}
}

func (t digestText) digest() (digest, error) {
	sum, err := hex.DecodeString(t.Sum)
	if err != nil || len(sum) != 16 || t.Documents < 0 {
		return digest{}, fmt.Errorf("%q over %d documents is no digest", t.Sum, t.Documents)
	}
	return digest{documents: t.Documents, hi: binary.BigEndian.Uint64(sum), lo: binary.BigEndian.Uint64(sum[8:])}, nil
}
