package runbook

import (
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Chapter is a heading with what stands below it.
type Chapter struct {
	Title string `json:"title"`
	Parts []Part `json:"parts"`
}

// BreakGlass is what brings the application back by hand when the tool cannot:
// what its own way back does (reconcile, goBack), in the same order. Without
// names it is the text of docs/break-glass.md.
func BreakGlass(n reconcile.Names) []Chapter {
	t := (&teller{n: n}).onlyKnown()
	chapters := t.breakGlass()
	if setup := t.setup(); len(setup) > 0 {
		return append([]Chapter{{"Where you are", setup[:1]}}, chapters...)
	}
	return chapters
}

// breakGlass leaves the way to each server to its own chapter: only one of them
// is fenced.
func (t *teller) breakGlass() []Chapter {
	out := []Chapter{
		{"1. Nobody else is at work", t.alone()},
		{"2. Whose turn it is", t.turn()},
	}
	out = append(out, t.lifts()...)
	return append(out,
		Chapter{"4. Roll the release back", t.rollBackOpen()},
		Chapter{"5. Start the application", t.startAgain()},
		Chapter{"6. See that it works", parts(
			run("READY is what is WANTED everywhere, and every workload names the server that counts.", t.counts()+"\n"+t.pods()+"\n"+t.reads()),
		)},
		Chapter{"7. Afterwards", t.afterwards()},
	)
}

func (t *teller) alone() []Part {
	lease := t.kubectl("get lease " + leaseName + ` --ignore-not-found -o go-template='{{.spec.holderIdentity}} renewed {{.spec.renewTime}}{{"\n"}}'`)
	return parts(
		run("Who holds the lease. One that is renewed while you look belongs to somebody who is at work: let them finish, or stop them. None is as good as one that stands still.", lease+"\nsleep 20\n"+lease),
		run("Jobs of the tool: movers, and an engine that would begin again by itself.", t.kubectl("get jobs,pods -l "+oursLabel)),
		run("They are stopped first: one that still runs would undo what you do.", t.kubectl("delete jobs -l "+oursLabel+" --cascade=foreground --wait=true")),
		run("Then the lease. Without it nobody is kept from applying: say that you are at work.", t.kubectl("delete lease "+leaseName+" --ignore-not-found")),
	)
}

func (t *teller) turn() []Part {
	return parts(
		run("The record of the newest move.", t.record("move")+` | grep -oE '"(id|phase|attempt|quiesced|resumed|revision|deciding|from|to|external|lastError)":("[^"]*"|[a-z0-9]+)'`),
		run("And what the release says.", t.history()+"\n"+t.reads()),
		say(turnTable),
	)
}

// turnTable is which way to go by what the record says. The phases are those of
// reconcile, whose test holds them against this text.
const turnTable = `- phase open or returning: back, the source counts. All chapters, in order.
- phase open, and deciding is true: ask the target first, in its database circleci_dr. It says authoritative: the target counts, as below. Else back.
- phase committed: forward, the target counts, and the source's fence stays. Only chapters 5 and 6, with the release on the target.
- phase finished or reverted, or no record: no move is open, and something else stopped the application.`

// lifts is a chapter on the fence of every datastore and side: the record says
// which is the source.
func (t *teller) lifts() []Chapter {
	engines := server.Engines()
	if len(t.n.Stores)+len(t.unknown) > 0 {
		engines = nil
		for _, s := range t.n.Stores {
			engines = append(engines, s.Engine)
		}
	}
	out := []Chapter{{"3. Lift the fence", parts(say("The source refuses writes: the side that the record calls \"from\". The application cannot work on it before that is over. Take what fits your source; where nothing was fenced yet, nothing is changed."))}}
	out[0].Parts = append(out[0].Parts, t.strangers()...)
	for _, e := range engines {
		for _, at := range []spec.Location{spec.Internal, spec.External} {
			s := side{e, at}
			title := map[spec.Location]string{spec.Internal: "in the cluster", spec.External: "outside"}[at]
			out = append(out, Chapter{"   " + e.Title() + ", " + title, slices.Concat(t.way(s), hands[e].lift(t, s))})
		}
	}
	return out
}

func (t *teller) afterwards() []Part {
	return parts(say("The tool's record still says that a move is open, and the next apply of the same file would go on with it and stop the application again. " +
		"Set location in the file back to where the application runs, and run circleci-dr apply: it finds everything as it shall be, stops nothing, and closes the move. Then find out why it could not do that itself: " +
		"circleci-dr support --out FILE gathers what a helper needs."))
}

// goBack is the step of that name: the same, for the source that is known.
func (t *teller) goBack(engine.Step) Section {
	var lift []Part
	for _, s := range t.n.Stores {
		if s.To == "" {
			continue
		}
		lift = append(lift, hands[s.Engine].lift(t, t.source(s.Engine))...)
	}
	lift = append(lift, t.strangers()...)
	if len(lift) == 0 {
		lift = parts(say("Lift the source's fence: docs/break-glass.md has the commands for each server, and circleci-dr explain --break-glass prints them."))
	}
	return Section{
		Already: t.turn(),
		Do:      join(t.alone(), lift, t.rollBackOpen(), t.startAgain()),
		Done:    parts(run("READY is what is WANTED everywhere, and every workload names the source.", t.counts()+"\n"+t.reads())),
		Undo:    join(t.afterwards(), parts(say("The plan that moves the data anew begins from the start."))),
	}
}
