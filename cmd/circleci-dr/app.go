package main

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/urfave/cli/v2"
)

// program is one run of the command: where it writes, and what --result will
// say.
type program struct {
	out, err   io.Writer
	args       []string
	env        func(string) (string, bool)
	result     result
	resultFile string
	color      bool
	details    bool
	// last is what an apply that failed says last: whether the application is up.
	last string
	// following tells that the work is done elsewhere and only watched here.
	following atomic.Bool
}

// The flags every command that reads the spec shares.
type common struct {
	file, kubeconfig, kubeContext, chart, image, output string
}

func (p *program) app() *cli.App {
	commands := []*cli.Command{
		p.initCommand(), p.validateCommand(), p.schemaCommand(), p.planCommand(), p.showCommand(), p.explainCommand(), p.applyCommand(), p.driftCommand(),
		p.statusCommand(), p.proveCommand(), p.rehearseCommand(), p.valuesCommand(), p.rbacCommand(), p.supportCommand(), p.unlockCommand(), p.versionCommand(), p.completionCommand(), p.moverCommand(), p.engineCommand(),
	}
	app := &cli.App{
		Name:  "circleci-dr",
		Usage: "declarative disaster recovery for self-hosted CircleCI",
		Description: "One reviewed file, circleci-dr.yaml, says where the data lives and how it is backed up.\n" +
			"plan shows what is missing, apply does only that and proves it, drift watches it.",
		Writer: p.out, ErrWriter: p.err,
		Commands:                  commands,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {}, // realMain maps errors to codes
		Flags:                     []cli.Flag{&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version"}},
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return unknownCommand(commands, name)
			}
			if c.Bool("version") {
				return p.printVersion(false)
			}
			return cli.ShowAppHelp(c)
		},
	}
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usageOf(app.Flags, err) }
	for _, cmd := range commands {
		p.finishCommand(cmd)
	}
	app.Commands = append(app.Commands, p.completeCommand(commands))
	return app
}

// finishCommand gives a command what urfave/cli does not inherit: its usage
// errors, the flags every command has, and the refusal of positional
// arguments (a flag after one would not be read).
func (p *program) finishCommand(cmd *cli.Command) {
	cmd.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usageOf(cmd.Flags, err) }
	cmd.HideHelpCommand = true
	cmd.Flags = append(cmd.Flags,
		&cli.StringFlag{Name: "result", Usage: "write verdict, exit code and plan id as JSON to `FILE`", Destination: &p.resultFile},
		&cli.StringFlag{Name: "color", Usage: "auto, always or never", Value: "auto"},
	)
	action := cmd.Action
	cmd.Action = func(c *cli.Context) error {
		p.result.Command = cmd.Name
		if c.Args().Present() {
			return noArguments(c)
		}
		if err := givenTwice(cmd.Flags, p.args); err != nil {
			return err
		}
		color, err := p.wantsColor(c.String("color"))
		if err != nil {
			return err
		}
		p.color = color
		if err := p.overwrites(c); err != nil {
			return err
		}
		return action(c)
	}
}

// overwrites refuses a file to write that is a file to read: a spec that was
// not committed yet would be gone.
func (p *program) overwrites(c *cli.Context) error {
	for _, out := range []string{"result", "out", "runbook"} {
		name := c.String(out)
		to, err := os.Stat(name)
		if err != nil || !to.Mode().IsRegular() {
			continue // not there yet, or nothing that can be lost
		}
		for _, in := range []string{"file", "plan"} {
			from, err := os.Stat(c.String(in))
			if err == nil && os.SameFile(from, to) {
				p.resultFile = ""
				return usagef("--%s would overwrite %s, which --%s reads", out, name, in)
			}
		}
	}
	return nil
}

func (p *program) specFlags(o *common) []cli.Flag {
	return []cli.Flag{p.fileFlag(o), p.outputFlag(o)}
}

func (p *program) fileFlag(o *common) cli.Flag {
	return &cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "the spec; - reads it from standard input", Value: "circleci-dr.yaml", Destination: &o.file, EnvVars: []string{"CIRCLECI_DR_FILE"}}
}

func (p *program) outputFlag(o *common) cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "text or json", Value: "text", Destination: &o.output}
}

// reachFlags are those of a command that reads the cluster and runs no pod there.
func (p *program) reachFlags(o *common) []cli.Flag {
	return append(p.specFlags(o),
		kubeconfigFlag(&o.kubeconfig),
		&cli.StringFlag{Name: "kube-context", Usage: "overrides server.kubeContext", Destination: &o.kubeContext},
	)
}

func kubeconfigFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "kubeconfig", Usage: "`FILE` to reach the cluster with; default: KUBECONFIG", Destination: to}
}

func (p *program) clusterFlags(o *common) []cli.Flag {
	return append(p.reachFlags(o),
		&cli.StringFlag{Name: "chart", Usage: "overrides server.chart: an oci:// reference, a directory or a .tgz", Destination: &o.chart, EnvVars: []string{"CIRCLECI_DR_CHART"}},
		&cli.StringFlag{Name: "mover-image", Usage: "overrides mover.image", Destination: &o.image, EnvVars: []string{"CIRCLECI_DR_MOVER_IMAGE"}},
	)
}

// reach are the flags that say where things are, for a command that runs no pod.
func (o common) reach() common {
	o.chart, o.image = "", ""
	return o
}

func (o common) json() (bool, error) {
	switch o.output {
	case "text":
		return false, nil
	case "json":
		return true, nil
	}
	return false, usagef("--output must be text or json (got %q)", o.output)
}
