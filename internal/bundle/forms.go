package bundle

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// partsOf gives a secret and what is secret of it by itself: its lines, the
// texts in it where it is JSON, the password where it is an address.
func partsOf(secret string) []string {
	secret = strings.TrimSpace(secret)
	parts := []string{secret}
	if lines := strings.Split(secret, "\n"); len(lines) > 1 {
		for _, line := range lines {
			// A line of a certificate or key is long; "{" is one too.
			if line = strings.TrimSpace(line); len(line) >= longEnough {
				parts = append(parts, line)
			}
		}
	}
	var doc any
	if strings.HasPrefix(secret, "{") || strings.HasPrefix(secret, "[") {
		if json.Unmarshal([]byte(secret), &doc) == nil {
			parts = append(parts, leaves(doc)...)
		}
	}
	if u, err := url.Parse(secret); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			parts = append(parts, password)
		}
	}
	return parts
}

func leaves(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, child := range v {
			out = append(out, leaves(child)...)
		}
	case map[string]any:
		for _, child := range v {
			out = append(out, leaves(child)...)
		}
	}
	return out
}

// formsOf gives the ways a text is written: as it is, in base64 wherever it
// begins, in a URL, in JSON, in Go's and the shell's quotes, in hexadecimal.
func formsOf(s string) []string {
	if len(s) < shortest {
		return nil
	}
	forms := []string{s, url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)),
		strings.Trim(strconv.Quote(s), `"`), strings.ReplaceAll(s, "'", `'\''`)}
	for quoted, depth := s, 0; depth < 2; depth++ { // JSON, and JSON inside JSON
		quoted = inJSON(quoted)
		forms = append(forms, quoted, strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(quoted))
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, enc.EncodeToString([]byte(s)))
		if len(s) >= longEnough {
			forms = append(forms, inner(enc, s, 0), inner(enc, s, 1), inner(enc, s, 2))
		}
	}
	return forms
}

func inJSON(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return string(quoted[1 : len(quoted)-1])
}

// inner is what base64 makes of s when n other bytes stand before it, without
// the characters that depend on its neighbours.
func inner(enc *base64.Encoding, s string, n int) string {
	whole := enc.EncodeToString([]byte(strings.Repeat("x", n) + s))
	cut := [3]int{0, 2, 3}[n] // so many characters have bits of what stands before
	end := len(whole)
	if (n+len(s))%3 != 0 {
		end-- // the last character has bits of what follows
	}
	return whole[cut:end]
}

// What is a secret by its shape, whoever knows it.
var (
	inAddress = regexp.MustCompile(`(://[^/\s:@"']*:)[^@\s"']+@`)
	bearer    = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}`)
	privateKy = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	assigned  = regexp.MustCompile(`(?i)\b((?:[a-z0-9_]*password|passwd|secret|api[_-]?key|access[_-]?token)["']?\s*[=:]\s*)("[^"]+"|'[^']+'|[^\s"',;&{\[][^\s"',;&]*)`)
)

func shapes(text string) string {
	text = privateKy.ReplaceAllString(text, mark)
	text = inAddress.ReplaceAllString(text, "${1}"+mark+"@")
	text = bearer.ReplaceAllString(text, "${1}${2}"+mark)
	return assigned.ReplaceAllString(text, "${1}"+mark)
}
