package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The scripts ask the program itself, so that they never fall behind: complete
// gets the words of the line up to the cursor and prints what may stand there,
// or the one line :files, which is the shell's own business.
const bashCompletion = `_circleci_dr() {
  local cur="${COMP_WORDS[COMP_CWORD]}" words
  words=$("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ "$cur" == "=" ]] && cur=
  case "$words" in
    :files) COMPREPLY=($(compgen -f -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
  esac
}
complete -o default -F _circleci_dr circleci-dr
`

const zshCompletion = `#compdef circleci-dr
_circleci_dr() {
  local -a given=("${(Q)words[@]:1:$((CURRENT-1))}")
  local -a found=("${(f)"$("${(Q)words[1]}" complete "${given[@]}" 2>/dev/null)"}")
  if [[ $found == ":files" ]]; then
    _files
  elif [[ -n "$found" ]]; then
    compadd -- $found
  fi
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
    set -l found (command $given[1] complete $given[2..] "$cur" 2>/dev/null)
    if test "$found" = ":files"
        __fish_complete_path $cur
    else
        printf '%s\n' $found
    end
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
