package reconcile

import (
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// uncarriedWords are a finding's words about one kind: what its objects have in
// common, and what to do.
type uncarriedWords struct{ what, fix string }

var uncarriedFindings = map[mover.UncarriedKind]uncarriedWords{
	mover.UncarriedPrivilege: {"privileges on objects of extensions and of the server itself are not carried, because the target's role is no superuser",
		"grant and revoke them on the target after the move, as a role that may, or let a superuser do the move"},
	mover.UncarriedOnMember: {"somebody put this on a table of an extension, and CREATE EXTENSION will not make it on the target",
		"make it there after the move if it is needed, or drop it from the source"},
	mover.UncarriedInSystem: {"somebody made this in a schema of the server's own, which no dump holds",
		"move it to a schema of yours (ALTER … SET SCHEMA), and it is carried; or make it on the target"},
	mover.UncarriedChanged: {"somebody changed what the server itself brings, and the target has it as it was made",
		"make a copy of it under a name of yours and use that, or make the same change on the target"},
	mover.UncarriedTemplate: {"template1 holds what every database made on the source later would have, and the target's does not",
		"make it in template1 of the target if databases will be made from it, or drop it from the source"},
	mover.UncarriedPlace: {"tablespaces are not carried; on the target this lies where the server keeps its databases",
		"nothing, if that has the room and the speed; else move it on the target after the move"},
	mover.UncarriedServer: {"this belongs to the server and not to a database, and is not carried",
		"make it on the target if something there needs it"},
	mover.UncarriedRole: {"the target has a role of that name, which keeps its attributes and its password; whoever logs in as it with the source's password is refused",
		"set the role's password on the target to the one in use (ALTER ROLE … PASSWORD), or change it where it is used"},
	mover.UncarriedUnread: {"whether something is left behind here could not be found out",
		"see the message; look yourself, or let the role that inspects read it"},
	mover.UncarriedGenerated: {"a copy computes these stored generated columns anew; whether that gives what they hold could not be found out",
		"compare them yourself with the application up: a difference is found at the end of the outage, and the move goes back"},
}

// checkUncarried names what this source has and a target does not get.
func checkUncarried(e mover.Engine, left []mover.Uncarried, superuser bool) []engine.Finding {
	byKind := map[mover.UncarriedKind][]string{}
	for _, l := range left {
		if l.Superuser && superuser {
			continue
		}
		name := l.Object
		if l.Database != "" {
			name += " in database " + l.Database
		}
		if l.Detail != "" {
			name += " (" + l.Detail + ")"
		}
		byKind[l.Kind] = append(byKind[l.Kind], name)
	}
	var out []engine.Finding
	for _, kind := range sortedKinds(byKind) {
		words := uncarriedFindings[kind]
		// Each is named: what a person does not read here nobody will tell later.
		for chunk := range slices.Chunk(byKind[kind], namedAtOnce) {
			what, left := leaving(words.what, chunk)
			if kind == mover.UncarriedUnread || kind == mover.UncarriedGenerated {
				left = nil // what nobody could find out is not known to be left
			}
			out = append(out, engine.Finding{ID: string(kind), Field: server.FieldOf(e), Source: docsOf(e), What: what, Fix: words.fix, Left: left})
		}
	}
	return out
}

// namedAtOnce is how many objects one finding names.
const namedAtOnce = 20

func sortedKinds(byKind map[mover.UncarriedKind][]string) []mover.UncarriedKind {
	var kinds []mover.UncarriedKind
	for kind := range byKind {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}
