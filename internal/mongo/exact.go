package mongo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/bson"
)

// exact is a name as the server has it: a string, or its bytes where it is no
// UTF-8, which JSON cannot hold.
type exact string

func exactly(names []string) (out []exact) {
	for _, name := range names {
		out = append(out, exact(name))
	}
	return out
}

func plainly(names []exact) (out []string) {
	for _, name := range names {
		out = append(out, string(name))
	}
	return out
}

type exactBytes struct {
	Bytes []byte `json:"$bytes"`
}

// MarshalJSON writes the name down.
func (e exact) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(e)) {
		return json.Marshal(string(e))
	}
	return json.Marshal(exactBytes{[]byte(e)})
}

// UnmarshalJSON reads it back.
func (e *exact) UnmarshalJSON(text []byte) error {
	var name *string
	if json.Unmarshal(text, &name) == nil && name != nil {
		*e = exact(*name)
		return nil
	}
	var raw exactBytes
	if err := json.Unmarshal(text, &raw); err != nil || raw.Bytes == nil {
		return errors.Join(fmt.Errorf("%s is no name", text), err)
	}
	*e = exact(raw.Bytes)
	return nil
}

// specification is the options of a collection, or an index.
type specification bson.Raw

type specificationBytes struct {
	BSON []byte `json:"$bson"`
}

// MarshalJSON writes a specification as extended JSON, unless that would read
// back as something else.
func (s specification) MarshalJSON() ([]byte, error) {
	text, err := bson.MarshalExtJSON(bson.Raw(s), true, false)
	if err == nil && utf8.Valid(text) {
		back, err := parseSpecification(text)
		if err == nil && bytes.Equal(back, s) {
			return text, nil
		}
	}
	return json.Marshal(specificationBytes{s})
}

// UnmarshalJSON reads it back.
func (s *specification) UnmarshalJSON(text []byte) error {
	back, err := parseSpecification(text)
	*s = back
	return err
}

func parseSpecification(text []byte) (specification, error) {
	var raw specificationBytes
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&raw) == nil && raw.BSON != nil {
		if err := bson.Raw(raw.BSON).Validate(); err != nil {
			return nil, fmt.Errorf("read a specification: %w", err)
		}
		return raw.BSON, nil
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON(text, true, &d); err != nil {
		return nil, fmt.Errorf("read a specification: %w", err)
	}
	if d == nil {
		return nil, errors.New("read a specification: it is none")
	}
	return bson.Marshal(d)
}
