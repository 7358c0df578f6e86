package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// bashCompletion asks the program itself, so that it never falls behind.
const bashCompletion = `_circleci_dr() {
  local cur="${COMP_WORDS[COMP_CWORD]}" words
  case "${COMP_WORDS[COMP_CWORD-1]}" in
    -f|--file|--plan|--out|--result|--kubeconfig) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -o|--output) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
  esac
  if [[ "$cur" == -* ]]; then
    words=$("${COMP_WORDS[@]:0:COMP_CWORD}" "$cur" --generate-bash-completion 2>/dev/null)
  else
    words=$("${COMP_WORDS[@]:0:COMP_CWORD}" --generate-bash-completion 2>/dev/null)
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _circleci_dr circleci-dr
`

func (p *program) completionCommand() *cli.Command {
	bash := &cli.Command{
		Name: "bash", Usage: "for bash: source <(circleci-dr completion bash)",
		Action: func(*cli.Context) error {
			_, err := fmt.Fprint(p.out, bashCompletion)
			return err
		},
	}
	p.finishCommand(bash)
	return &cli.Command{
		Name: "completion", Usage: "print a completion script: source <(circleci-dr completion bash)",
		Subcommands: []*cli.Command{bash},
		Action:      func(*cli.Context) error { return usagef("name a shell: circleci-dr completion bash") },
	}
}
