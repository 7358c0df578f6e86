package spec

import (
	"fmt"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/circleci-dr/circleci-dr/schema"
)

// Field is a field of the file as the schema explains it, for whoever writes a
// file that people are to fill in.
type Field struct {
	Name, Description string
	// Example is the schema's first example; of a mapping its fields say more.
	Example any
	// Fields are those of a mapping, in the schema's order. A reference to a
	// secret has none.
	Fields []Field
}

// Fields are the fields at the top of the file, in the schema's order.
func Fields() []Field { return explained() }

var explained = sync.OnceValue(func() []Field {
	var root yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(schema.Spec(), &root, yaml.UseOrderedMap()); err != nil {
		panic(fmt.Sprintf("embedded schema: %v", err)) // embedded and tested: a broken build
	}
	return fieldsOf(root)
})

func fieldsOf(block yaml.MapSlice) []Field {
	var out []Field
	properties, _ := block.ToMap()["properties"].(yaml.MapSlice)
	for _, p := range properties {
		body, _ := p.Value.(yaml.MapSlice)
		says := body.ToMap()
		f := Field{Name: fmt.Sprint(p.Key), Fields: fieldsOf(body)}
		f.Description, _ = says["description"].(string)
		if examples, _ := says["examples"].([]any); len(examples) > 0 {
			f.Example = examples[0]
		}
		out = append(out, f)
	}
	return out
}
