package mongo

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
)

// numericIndexOptions are numbers of which servers write down the same value
// in different types: 4.4 keeps the int it was given, 5.0 makes it a double.
var numericIndexOptions = []string{"v", "min", "max", "bits", "bucketSize", "expireAfterSeconds", "textIndexVersion", "2dsphereIndexVersion"}

// fields gives the top-level fields of collection options or an index as text
// in which what means the same is the same. Below the top level order and
// number types count: a filter is an expression.
func fields(spec bson.Raw, ignored []string) map[string]string {
	out := map[string]string{}
	elements, err := spec.Elements()
	if len(spec) == 0 || err != nil {
		return out
	}
	for _, e := range elements {
		name, value := e.Key(), e.Value()
		switch {
		case slices.Contains(ignored, name):
		case slices.Contains(numericIndexOptions, name) && value.IsNumber():
			out[name] = number(value)
		case name == "wildcardProjection":
			out[name] = strings.Join(paths("", value), " ")
		default:
			out[name] = value.String()
		}
	}
	return out
}

func number(v bson.RawValue) string {
	if d, ok := v.DoubleOK(); ok {
		return fmt.Sprint(d)
	}
	n, ok := v.AsInt64OK()
	if !ok {
		return v.String() // a decimal
	}
	return fmt.Sprint(float64(n))
}

// paths writes a wildcard index's projection as sorted paths: 5.0 keeps
// {"a.b": 1} as {a: {b: true}, _id: false}. Leaving _id out is the default.
func paths(prefix string, v bson.RawValue) []string {
	document, ok := v.DocumentOK()
	if !ok {
		in := v.IsNumber() && number(v) != "0"
		if yes, isBool := v.BooleanOK(); isBool {
			in = yes
		}
		if prefix == "_id" && !in {
			return nil
		}
		return []string{fmt.Sprintf("%s:%t", prefix, in)}
	}
	var found []string
	elements, err := document.Elements()
	if err != nil {
		return []string{prefix + ":unreadable"}
	}
	for _, e := range elements {
		name := e.Key()
		if prefix != "" {
			name = prefix + "." + name
		}
		found = append(found, paths(name, e.Value())...)
	}
	slices.Sort(found)
	return found
}
