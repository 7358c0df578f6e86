package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/spec"
)

// habits are flags of other tools and what they are called here.
var habits = map[string]string{
	"context": "kube-context", "kubecontext": "kube-context", "yes": "accept", "y": "accept", "auto-approve": "accept", "approve": "accept",
	"spec": "file", "config": "file", "image": "mover-image", "format": "output", "timeout": "deadline", "withdata": "with-data",
}

// flagOf finds the flag that an error of the flag package is about. It writes a
// single dash, whatever was typed.
var flagOf = regexp.MustCompile(`(^|[\s:])-([a-z][a-z0-9-]*)`)

// usageOf turns an error of the flag package into one that names the flag as it
// is written here, with what may have been meant.
func usageOf(flags []cli.Flag, err error) error {
	text := flagOf.ReplaceAllStringFunc(err.Error(), func(found string) string {
		i := strings.Index(found, "-")
		return found[:i] + dashed(found[i+1:])
	})
	if two, ok := strings.CutPrefix(text, "Cannot use two forms of the same flag: "); ok {
		return usagef("%s is given twice; give it once", dashed(lastWord(two)))
	}
	name, unknown := strings.CutPrefix(text, "flag provided but not defined: ")
	if !unknown {
		return usagef("%s", text)
	}
	text = "there is no flag " + name
	if near := meant(strings.TrimLeft(name, "-"), namesOf(flags), habits); near != "" {
		text += "; did you mean " + dashed(near) + "?"
	}
	return usagef("%s", text)
}

// meant is the choice that a word stands for, or "".
func meant(word string, choices []string, known map[string]string) string {
	if name := known[word]; slices.Contains(choices, name) {
		return name
	}
	return spec.Nearest(word, choices)
}

func lastWord(text string) string { return text[strings.LastIndex(text, " ")+1:] }

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func namesOf(flags []cli.Flag) []string {
	var out []string
	for _, f := range flags {
		for _, name := range f.Names() {
			if len(name) > 1 {
				out = append(out, name)
			}
		}
	}
	return out
}

// unknownCommand is what is said of a command there is none of.
func unknownCommand(commands []*cli.Command, name string) error {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	if near := meant(name, names, map[string]string{"check": "validate", "diff": "plan", "destroy": "apply", "completions": "completion"}); near != "" {
		return usagef("there is no command %q; did you mean %q?", name, near)
	}
	return usagef("there is no command %q", name)
}

// givenTwice refuses a flag that is there twice: of two files one would be left
// out without a word.
func givenTwice(flags []cli.Flag, args []string) error {
	seen := map[string]bool{}
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if args[i] == "--" {
			return nil
		}
		at := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
		if !strings.HasPrefix(args[i], "-") || at < 0 {
			continue
		}
		f := flags[at]
		if _, many := f.(cli.DocGenerationSliceFlag); many {
			continue
		}
		first := f.Names()[0]
		if seen[first] {
			return usagef("%s is given twice; give it once", dashed(first))
		}
		seen[first] = true
		if takes, ok := f.(cli.DocGenerationFlag); ok && takes.TakesValue() && !joined {
			i++ // its value
		}
	}
	return nil
}

// noArguments refuses a positional argument, as a mistyped subcommand is one
// too.
func noArguments(c *cli.Context) error {
	name, got := c.Command.Name, c.Args().First()
	takes := func(flag string) bool { return slices.Contains(namesOf(c.Command.Flags), flag) }
	said := fmt.Sprintf("%s takes no arguments (got %q)", name, got)
	switch {
	case len(c.Command.Subcommands) > 0:
		return usagef("%s has no command %q", name, got)
	case takes("plan") && strings.HasSuffix(got, ".json"):
		return usagef("%s; did you mean --plan %s?", said, quote(got))
	case takes("file"):
		return usagef("%s; name the spec with --file", said)
	}
	return usagef("%s", said)
}
