package seed

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the old verifiers that a copy must carry over
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
)

// The login roles of the awkward part that have passwords, and the passwords:
// a copied verifier is proven by logging in with them.
const (
	ScramRole     = "circle_app"
	ScramPassword = "scram-password-of-circle_app"
	MD5Role       = "circle_legacy"
	MD5Password   = "md5-password-of-circle_legacy"
)

// passwords are verifiers as the server stores them.
type passwords struct{ scram, md5 string }

// verifiers makes them here, because the server would pick a salt of its own
// and two runs would differ.
func verifiers(seed int64) passwords {
	salt := sha256.Sum256([]byte("salt " + strconv.FormatInt(seed, 10)))
	const rounds = 4096
	salted, err := pbkdf2.Key(sha256.New, ScramPassword, salt[:16], rounds, sha256.Size)
	if err != nil {
		panic(err) // only for a key length that SHA-256 cannot give
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	legacy := md5.Sum([]byte(MD5Password + MD5Role)) //nolint:gosec // the same
	return passwords{
		scram: fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, encode(salt[:16]), encode(stored[:]), encode(mac(salted, "Server Key"))),
		md5:   "md5" + hex.EncodeToString(legacy[:]),
	}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text)) // a hash never fails
	return h.Sum(nil)
}
