package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/schema"
)

// maxPlanBytes bounds a plan file; a real one has some ten kilobytes.
const maxPlanBytes = 4 << 20

// maxPlanDepth bounds the nesting of a plan file; a real one has five levels.
const maxPlanDepth = 16

var planSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat = true
	if err := c.AddResource(schema.PlanID, bytes.NewReader(schema.Plan())); err != nil {
		return nil, err
	}
	return c.Compile(schema.PlanID)
})

// ReadPlan reads a plan file that PlanJSON wrote. The file has passed through
// other hands: its size, depth and shape are checked, a key that stands twice
// or that this version does not know is refused.
func ReadPlan(r io.Reader) (engine.Plan, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPlanBytes+1))
	if err != nil {
		return engine.Plan{}, err
	}
	if len(data) > maxPlanBytes {
		return engine.Plan{}, fmt.Errorf("it is larger than %s, so it is no plan file", mover.Bytes(maxPlanBytes))
	}
	if !utf8.Valid(data) {
		return engine.Plan{}, errors.New("it is not UTF-8 text, so it is no plan file")
	}
	if err := checkKeys(data); err != nil {
		return engine.Plan{}, err
	}
	if err := checkShape(data); err != nil {
		return engine.Plan{}, err
	}
	var doc planDoc
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return engine.Plan{}, fmt.Errorf("it is no plan file: %w", err)
	}
	plan := doc.plan()
	if doc.Blocked != (len(plan.Blocked()) > 0) || !slices.Equal(doc.Accept, plan.Dangers()) {
		return engine.Plan{}, errors.New("its summary contradicts its steps and findings: it was edited; make a new plan")
	}
	return plan, nil
}

// checkShape says first that the format is another one, and only then what
// else is wrong: a newer version's plan has other fields.
func checkShape(data []byte) error {
	var doc any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	top, ok := doc.(map[string]any)
	if !ok {
		return errors.New("it holds no JSON object, so it is no plan file")
	}
	if got := top["format"]; got != PlanFormat {
		return fmt.Errorf("its format is %.40q, this version reads %q", fmt.Sprint(got), PlanFormat)
	}
	s, err := planSchema()
	if err != nil {
		return fmt.Errorf("compile the schema of plans: %w", err)
	}
	err = s.Validate(doc)
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	where := strings.ReplaceAll(strings.TrimPrefix(invalid.InstanceLocation, "/"), "/", ".")
	if where != "" {
		where += ": "
	}
	return fmt.Errorf("it is no plan file: %s%.200s", where, invalid.Message)
}

// checkKeys walks the tokens: nothing too deep, no key twice, nothing after
// the document. Of two equal keys a reader shows one and a program may take
// the other.
func checkKeys(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := walk(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the plan in the file")
	}
	return nil
}

func walk(dec *json.Decoder, depth int) error {
	if depth > maxPlanDepth {
		return errors.New("it is nested too deep to be a plan file")
	}
	tok, err := dec.Token()
	if err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return fmt.Errorf("it is not JSON: %w", err)
			}
			name := fmt.Sprint(key)
			if seen[name] {
				return fmt.Errorf("key %.40q stands twice in one object", name)
			}
			seen[name] = true
		}
		if err := walk(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	return nil
}
