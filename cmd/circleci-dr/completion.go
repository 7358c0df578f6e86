package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The scripts ask the program itself, so that they never fall behind. What
// follows --file and its like is the shell's own business.
const bashCompletion = `_circleci_dr() {
  local cur="${COMP_WORDS[COMP_CWORD]}" words
  case "${COMP_WORDS[COMP_CWORD-1]}" in
    -f|--file|--plan|--out|--runbook|--result|--kubeconfig) COMPREPLY=($(compgen -f -- "$cur")); return ;;
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

const zshCompletion = `#compdef circleci-dr
_circleci_dr() {
  local cur=${words[CURRENT]}
  case ${words[CURRENT-1]} in
    -f|--file|--plan|--out|--runbook|--result|--kubeconfig) _files; return ;;
    -o|--output) compadd -- text json; return ;;
  esac
  local -a given=("${(Q)words[@]:0:$((CURRENT-1))}")
  [[ $cur == -* ]] && given+=($cur)
  compadd -- ${(f)"$("${given[@]}" --generate-bash-completion 2>/dev/null)"}
}
if [[ ${funcstack[1]} == _circleci-dr ]]; then
  _circleci_dr "$@"
else
  compdef _circleci_dr circleci-dr
fi
`

const fishCompletion = `function __circleci_dr_complete
    set -l given (commandline -opc)
    set -l cur (commandline -ct)
    switch $given[-1]
        case -f --file --plan --out --runbook --result --kubeconfig
            __fish_complete_path $cur
            return
        case -o --output
            printf '%s\n' text json
            return
    end
    string match -q -- '-*' $cur; and set -a given $cur
    command $given --generate-bash-completion 2>/dev/null
end
complete -c circleci-dr -f -a '(__circleci_dr_complete)'
`

func (p *program) completionCommand() *cli.Command {
	var shells []*cli.Command
	for _, s := range []struct{ name, usage, script string }{
		{"bash", "for bash: source <(circleci-dr completion bash)", bashCompletion},
		{"zsh", "for zsh, after compinit: source <(circleci-dr completion zsh); or as _circleci-dr in a folder of fpath", zshCompletion},
		{"fish", "for fish: circleci-dr completion fish | source", fishCompletion},
	} {
		shell := &cli.Command{Name: s.name, Usage: s.usage, Action: func(*cli.Context) error {
			_, err := fmt.Fprint(p.out, s.script)
			return err
		}}
		p.finishCommand(shell)
		shells = append(shells, shell)
	}
	return &cli.Command{
		Name: "completion", Usage: "print a completion script for bash, zsh or fish",
		Subcommands: shells,
		Action:      func(*cli.Context) error { return usagef("name a shell: circleci-dr completion bash, zsh or fish") },
	}
}
