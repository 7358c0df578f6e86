package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const mark = "[redacted]"

// longEnough is the length from which a secret is looked for inside words too.
// A shorter one, such as a port or a user name, is only redacted where it
// stands alone, or nothing would be left to read.
const longEnough = 8

// shortest is the shortest secret that is looked for at all.
const shortest = 3

// Redactor takes secrets out of texts and JSON. It prints as nothing.
type Redactor struct {
	inside  *strings.Replacer
	alone   []string
	needles []string // those of inside
}

// String tells nothing.
func (*Redactor) String() string { return mark }

// NewRedactor learns secrets with all the forms they are written in.
func NewRedactor(secrets []string) *Redactor {
	inside, alone := map[string]bool{}, map[string]bool{}
	for _, secret := range secrets {
		for _, part := range partsOf(secret) {
			for _, form := range formsOf(part) {
				switch n := utf8.RuneCountInString(form); {
				case n >= longEnough:
					inside[form] = true
				case n >= shortest:
					alone[form] = true
				}
			}
		}
	}
	r := &Redactor{needles: longestFirst(inside), alone: longestFirst(alone)}
	pairs := make([]string, 0, 2*len(r.needles))
	for _, n := range r.needles {
		pairs = append(pairs, n, mark)
	}
	r.inside = strings.NewReplacer(pairs...)
	return r
}

// longestFirst keeps a secret from being cut in two by a shorter one.
func longestFirst(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return out
}

// Text redacts a text.
func (r *Redactor) Text(text string) string {
	text = r.inside.Replace(text)
	for _, n := range r.alone {
		text = replaceAlone(text, n)
	}
	return shapes(text)
}

// replaceAlone replaces what has no letter or digit on either side.
func replaceAlone(text, needle string) string {
	var out strings.Builder
	for from := 0; ; {
		i := strings.Index(text[from:], needle)
		if i < 0 {
			if out.Len() == 0 {
				return text
			}
			return out.String() + text[from:]
		}
		at := from + i
		end := at + len(needle)
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if inWord(before) || inWord(after) {
			_, size := utf8.DecodeRuneInString(text[at:])
			out.WriteString(text[from : at+size])
			from = at + size
			continue
		}
		out.WriteString(text[from:at] + mark)
		from = end
	}
}

// JSON redacts every string, number and key of a document, so that it stays
// one, and lays it out for reading.
func (r *Redactor) JSON(doc []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("redact JSON: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r.value(v)); err != nil {
		return nil, fmt.Errorf("redact JSON: %w", err)
	}
	return out.Bytes(), nil
}

func (r *Redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.Text(v)
	case json.Number:
		if text := r.Text(v.String()); text != v.String() {
			return text
		}
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, child := range v {
			key = r.Text(key)
			for _, taken := out[key]; taken; _, taken = out[key] {
				key += "'"
			}
			out[key] = r.value(child)
		}
		return out
	}
	return v
}

// Leaks tells whether a long secret still stands in data: the last look before
// anything is written.
func (r *Redactor) Leaks(data []byte) bool {
	for _, n := range r.needles {
		if bytes.Contains(data, []byte(n)) {
			return true
		}
	}
	return false
}
