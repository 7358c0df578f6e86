package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/spec"
)

// filesFollow tells the shell to offer the names of files.
const filesFollow = ":files"

// completeCommand is what the completion scripts call. It is hidden, and says
// nothing of what is wrong with a line that somebody is still writing.
func (p *program) completeCommand(commands []*cli.Command) *cli.Command {
	return &cli.Command{
		Name: "complete", Hidden: true, HideHelp: true, SkipFlagParsing: true, Usage: "what may stand at the end of a command line",
		Action: func(c *cli.Context) error {
			for _, word := range p.complete(commands, c.Args().Slice()) {
				if _, err := fmt.Fprintln(p.out, word); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// complete gives what may stand in the place of the last of the words.
func (p *program) complete(commands []*cli.Command, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	if last == "=" { // bash cuts words there
		last = ""
	} else if n := len(before); n > 0 && before[n-1] == "=" {
		before = before[:n-1]
	}
	var flags []cli.Flag
	for len(before) > 0 && !strings.HasPrefix(before[0], "-") {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.Name == before[0] })
		if i < 0 {
			return nil
		}
		commands, flags, before = commands[i].Subcommands, commands[i].Flags, before[1:]
	}
	if name, value, joined := strings.Cut(last, "="); joined && strings.HasPrefix(name, "-") {
		return startingWith(value, name+"=", p.valuesOf(name, value, before))
	}
	if len(before) > 0 && takesValue(flags, before[len(before)-1]) {
		return startingWith(last, "", p.valuesOf(before[len(before)-1], last, before))
	}
	if strings.HasPrefix(last, "-") {
		var all []string
		for _, name := range append(namesOf(flags), "help") {
			all = append(all, dashed(name))
		}
		return startingWith(last, "", all)
	}
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return startingWith(last, "", names)
}

func takesValue(flags []cli.Flag, word string) bool {
	at := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), strings.TrimLeft(word, "-")) })
	if at < 0 || !strings.HasPrefix(word, "-") {
		return false
	}
	takes, ok := flags[at].(cli.DocGenerationFlag)
	return ok && takes.TakesValue()
}

// startingWith keeps of all words those that begin as typed; the shell replaces
// the whole word, so each gets what stands before the value again.
func startingWith(typed, before string, all []string) []string {
	if len(all) == 1 && all[0] == filesFollow {
		return all
	}
	var out []string
	for _, word := range all {
		if strings.HasPrefix(word, typed) {
			out = append(out, before+word)
		}
	}
	return out
}

// valuesOf are the values a flag knows.
func (p *program) valuesOf(flag, typed string, before []string) []string {
	switch strings.TrimLeft(flag, "-") {
	case "f", "file", "plan", "out", "runbook", "result", "kubeconfig", "chart":
		return []string{filesFollow}
	case "o", "output":
		if slices.Contains(p.args, "rbac") {
			return []string{"json", "yaml"}
		}
		return []string{"json", "text"}
	case "color":
		return []string{"always", "auto", "never"}
	case "authoritative":
		return []string{string(spec.External), string(spec.Internal)}
	case "datastore":
		return slices.Sorted(slices.Values(engineNames()))
	case "command":
		return slices.Sorted(maps.Keys(useOf))
	case "kube-context":
		names, _, err := kube.Contexts(valueOf("kubeconfig", before))
		if err != nil {
			return nil
		}
		return names
	case "accept":
		return acceptable(typed, valueOf("plan", before))
	}
	return nil
}

// valueOf is what a line gives a flag, or "".
func valueOf(flag string, words []string) string {
	for i, word := range words {
		if value, ok := strings.CutPrefix(word, "--"+flag+"="); ok {
			return value
		}
		if word == "--"+flag && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}

// acceptable are the words that accept dangers: those of the plan file, where
// the line names one, each once, after the words that stand there already.
func acceptable(typed, planFile string) []string {
	words := reconcile.AcceptWords
	if planFile != "" {
		plan, err := readPlanFile(planFile)
		if err != nil {
			return nil
		}
		words = plan.Dangers()
	}
	head := typed[:strings.LastIndexAny(typed, ":,")+1]
	given := strings.FieldsFunc(head, func(r rune) bool { return r == ':' || r == ',' })
	var out []string
	for _, word := range words {
		if !slices.Contains(given, word) {
			out = append(out, head+word)
		}
	}
	return out
}
