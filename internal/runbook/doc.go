// Package runbook tells in commands what a plan's steps do: what a person types
// to see whether a step is done already, to do it, to see that it is done, and
// to undo it, with the names of this installation. It knows kubectl, helm, the
// clients of the databases and a shell, and it runs none of them.
//
// A plan file has passed through other hands, so every name that goes into a
// command is quoted. A secret is only ever a reference: the commands read it
// into a variable of the shell, and hand it on in the environment of the one
// process that needs it, or through a pipe. An argument would be seen by every
// user of the machine.
package runbook
