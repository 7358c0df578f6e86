package postgres

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// How a recorded source is written down. Each type lists its fields once, for both
// ways: one that is missing when it is read, or that nobody knows, is an error,
// because a source of which half is known would be proven to be half.

// jsonField is a field by its name in JSON; value points to it.
type jsonField struct {
	name  string
	value any
}

// recordable is what lists its fields.
type recordable interface{ fields() []jsonField }

// object is a value as JSON.
type object struct{ of recordable }

// listed are values as JSON, each by as.
type listed[T any] struct {
	of *[]T
	as func(*T) object
}

func list[T any, P interface {
	*T
	recordable
}](of *[]T) listed[T] {
	return listed[T]{of, func(one *T) object { return object{P(one)} }}
}

// MarshalJSON writes the fields in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	for i, f := range o.of.fields() {
		value, err := json.Marshal(asText(f.value))
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", f.name, err)
		}
		fmt.Fprintf(&out, "%c%q:%s", "{,"[min(i, 1)], f.name, value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads the fields, each of which must be there.
func (o object) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for _, f := range o.of.fields() {
		value, ok := raw[f.name]
		if !ok {
			return fmt.Errorf("there is no %s", f.name)
		}
		if err := decode(value, asText(f.value)); err != nil {
			return fmt.Errorf("read %s: %w", f.name, err)
		}
		delete(raw, f.name)
	}
	for _, name := range sortedKeys(raw) {
		return fmt.Errorf("%s is not known", name)
	}
	return nil
}

// MarshalJSON writes the values in their order.
func (l listed[T]) MarshalJSON() ([]byte, error) {
	values := make([]object, len(*l.of))
	for i := range *l.of {
		values[i] = l.as(&(*l.of)[i])
	}
	return json.Marshal(values)
}

// UnmarshalJSON reads the values.
func (l listed[T]) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*l.of = make([]T, len(raw))
	for i := range raw {
		if err := decode(raw[i], l.as(&(*l.of)[i])); err != nil {
			return err
		}
	}
	return nil
}

// decode reads into what knows how to read itself, or into what value points to.
func decode(data []byte, value any) error {
	if own, ok := value.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(data)
	}
	return json.Unmarshal(data, value)
}

// asText has strings written as text.
func asText(value any) any {
	switch v := value.(type) {
	case *string:
		return (*text)(v)
	case **string:
		return optionalText{v}
	case *[]string:
		return texts{v}
	}
	return value
}

// text is a string that comes back as it was: a database without an encoding holds
// bytes that are no UTF-8, which JSON cannot say.
type text string

type textBytes struct {
	Bytes []byte `json:"bytes"`
}

// MarshalJSON writes a string, or its bytes in base64.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(textBytes{[]byte(t)})
}

// UnmarshalJSON reads either.
func (t *text) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		var b textBytes
		err := json.Unmarshal(data, &b)
		*t = text(b.Bytes)
		return err
	}
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("a text is null")
	}
	*t = text(*s)
	return nil
}

type optionalText struct{ of **string }

// MarshalJSON writes null for none.
func (o optionalText) MarshalJSON() ([]byte, error) { return json.Marshal((*text)(*o.of)) }

// UnmarshalJSON reads null as none.
func (o optionalText) UnmarshalJSON(data []byte) error {
	var t *text
	err := json.Unmarshal(data, &t)
	*o.of = (*string)(t)
	return err
}

type texts struct{ of *[]string }

// MarshalJSON writes each as a text.
func (t texts) MarshalJSON() ([]byte, error) {
	list := make([]text, len(*t.of))
	for i, s := range *t.of {
		list[i] = text(s)
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads them.
func (t texts) UnmarshalJSON(data []byte) error {
	var list []text
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*t.of = make([]string, len(list))
	for i, s := range list {
		(*t.of)[i] = string(s)
	}
	return nil
}

// textMap is a map of strings as JSON.
type textMap struct{ of *map[string]string }

// MarshalJSON writes pairs, in the order of their names.
func (m textMap) MarshalJSON() ([]byte, error) {
	pairs := make([][2]text, 0, len(*m.of))
	for _, name := range sortedKeys(*m.of) {
		pairs = append(pairs, [2]text{text(name), text((*m.of)[name])})
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads them.
func (m textMap) UnmarshalJSON(data []byte) error {
	var pairs [][2]text
	if err := json.Unmarshal(data, &pairs); err != nil {
		return err
	}
	*m.of = map[string]string{}
	for _, p := range pairs {
		(*m.of)[string(p[0])] = string(p[1])
	}
	return nil
}

// keyMap is a map by objects of a server's catalogs as JSON.
type keyMap[V any] struct{ of *map[[2]uint32]V }

type keyed[V any] struct {
	Catalog uint32 `json:"catalog"`
	OID     uint32 `json:"oid"`
	Value   V      `json:"value"`
}

// MarshalJSON writes the objects in their order.
func (m keyMap[V]) MarshalJSON() ([]byte, error) {
	list := make([]keyed[V], 0, len(*m.of))
	for key, value := range *m.of {
		list = append(list, keyed[V]{key[0], key[1], value})
	}
	slices.SortFunc(list, func(a, b keyed[V]) int {
		return slices.Compare([]uint32{a.Catalog, a.OID}, []uint32{b.Catalog, b.OID})
	})
	return json.Marshal(list)
}

// UnmarshalJSON reads them.
func (m keyMap[V]) UnmarshalJSON(data []byte) error {
	var list []keyed[V]
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*m.of = map[[2]uint32]V{}
	for _, k := range list {
		(*m.of)[[2]uint32{k.Catalog, k.OID}] = k.Value
	}
	return nil
}
