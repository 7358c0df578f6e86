package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/schema"
	"github.com/circleci-dr/circleci-dr/spec"
)

func (p *program) validateCommand() *cli.Command {
	var o common
	return &cli.Command{
		Name: "validate", Usage: "check the spec: every problem at once, with file, line and column",
		Description: exitsOf("validate"),
		Flags:       p.specFlags(&o),
		Action: func(*cli.Context) error {
			asJSON, err := o.json()
			if err != nil {
				return err
			}
			s, err := p.load(o, asJSON)
			if err != nil || asJSON {
				return err
			}
			for _, n := range s.Notes() {
				fmt.Fprintln(p.err, n.String())
			}
			if _, err = fmt.Fprintf(p.out, "%s is valid\n", o.file); err != nil {
				return err
			}
			return p.showNeeds(p.planNeeds(s, o.file))
		},
	}
}

// load reads the spec and prints what is wrong with it: as text on stderr, or
// as JSON on stdout.
func (p *program) load(o common, asJSON bool) (*spec.Spec, error) {
	s, err := readSpec(o.file)
	var problems *spec.Problems
	switch {
	case errors.As(err, &problems) && asJSON:
		return nil, errors.Join(err, p.printProblems(problems.Items))
	case errors.As(err, &problems):
		fmt.Fprintln(p.err, problems.Error())
		noun := "problems"
		if len(problems.Items) == 1 {
			noun = "problem"
		}
		fmt.Fprintf(p.err, "circleci-dr: %s has %d %s; nothing was changed\n", o.file, len(problems.Items), noun)
	case err == nil && asJSON && p.result.Command == "validate":
		return s, p.printProblems(s.Notes(), p.planNeeds(s, o.file)...)
	}
	return s, err
}

// readSpec reads a spec from a file, or from standard input for "-".
func readSpec(file string) (*spec.Spec, error) {
	if file != "-" {
		return spec.Load(file)
	}
	return spec.Read("stdin", os.Stdin)
}

func (p *program) printProblems(items []spec.Problem, needs ...string) error {
	enc := json.NewEncoder(p.out)
	enc.SetIndent("", "  ")
	if items == nil {
		items = []spec.Problem{}
	}
	return enc.Encode(struct {
		Format   string         `json:"format"`
		Problems []spec.Problem `json:"problems"`
		// PlanNeeds are what a plan of a valid file will also ask for.
		PlanNeeds []string `json:"planNeeds,omitempty"`
	}{"circleci-dr/problems/v1", items, needs})
}

func (p *program) schemaCommand() *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON Schema of circleci-dr.yaml",
		Action: func(*cli.Context) error {
			_, err := p.out.Write(schema.Spec())
			return err
		},
	}
}
