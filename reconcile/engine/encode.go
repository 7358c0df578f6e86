package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// JSON encodes a plain value of ours: structs, maps and lists of strings, numbers
// and times always marshal.
func JSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// Fingerprint is the SHA-256 of a plain value of ours, in 64 hexadecimal digits.
func Fingerprint(v any) string {
	sum := sha256.Sum256(JSON(v))
	return hex.EncodeToString(sum[:])
}
