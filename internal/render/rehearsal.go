package render

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// RehearsalText draws what a rehearsal found: every difference with both sides,
// and what it could not try.
func RehearsalText(w io.Writer, r mover.Rehearsal, o Options) error {
	p := newPage(o)
	verdict, t := "would be copied as it is", green
	switch n := len(r.Differences); {
	case r.Ended != "" && n == 1: // of the copy it says nothing
		verdict, t = "was not rehearsed to the end: a limit was met ("+r.Ended+")", red
	case n > 0:
		verdict, t = fmt.Sprintf("would NOT be copied as it is: %s", count(n, "finding")), red
	}
	what := "The schema "
	if r.WithData {
		what = "The schema with its rows "
	}
	p.line(what + p.paint(t, verdict))
	if list := comparedCounts(r.Compared); list != "" {
		p.para("compared  ", "          ", plain, list)
	}
	p.line(fmt.Sprintf("at        %s, in %s, with the application up; everything made for it is removed", when(r.At), reconcile.Took(r.Duration)))
	if d := r.Data; d != nil {
		p.para("measured  ", "          ", plain, fmt.Sprintf("%d rows in %d tables and %d large objects, %s: copied in %s, compared in %s; the next plan's times rest on it",
			d.Rows, d.Tables, d.Objects, mover.Bytes(d.Bytes), reconcile.Took(d.Copy), reconcile.Took(d.Compare)))
	}
	if r.Tries > 1 {
		p.line(fmt.Sprintf("tries     %d: somebody waited on it or changed the schema, so it let go and began again", r.Tries))
	}
	for _, left := range r.NotTried {
		p.para("not tried ", "          ", plain, left)
	}
	for _, d := range r.Differences {
		p.blank()
		difference(p, d)
	}
	return p.flush(w)
}

// comparedCounts lists what was compared, the large kinds first; kinds of which there was
// none are left out.
func comparedCounts(compared map[string]int) string {
	var list []string
	for _, kind := range slices.SortedFunc(maps.Keys(compared), byWeight) {
		if compared[kind] > 0 {
			list = append(list, fmt.Sprintf("%d %s", compared[kind], kind))
		}
	}
	return strings.Join(list, ", ")
}

type rehearsalDoc struct {
	Format      string          `json:"format"`
	At          time.Time       `json:"at"`
	Clear       bool            `json:"clear"`
	Compared    map[string]int  `json:"compared"`
	Duration    seconds         `json:"durationSeconds"`
	Tries       int             `json:"tries"`
	NotTried    []string        `json:"notTried"`
	Differences []differenceDoc `json:"differences"`
	// Data is what was carried, where a rehearsal with data found nothing.
	WithData bool              `json:"withData,omitempty"`
	Data     *rehearsedDataDoc `json:"data,omitempty"`
	// Ended names the limit that ended it.
	Ended string `json:"ended,omitempty"`
}

type rehearsedDataDoc struct {
	Tables       int     `json:"tables"`
	Rows         int64   `json:"rows"`
	Bytes        int64   `json:"bytes"`
	LargeObjects int64   `json:"largeObjects"`
	Copy         seconds `json:"copySeconds"`
	Compare      seconds `json:"compareSeconds"`
}

// RehearsalJSON writes a rehearsal as versioned JSON.
func RehearsalJSON(w io.Writer, r mover.Rehearsal) error {
	doc := rehearsalDoc{
		Format: RehearsalFormat, At: r.At.UTC(), Clear: len(r.Differences) == 0, Compared: r.Compared, Duration: seconds(r.Duration),
		Tries: r.Tries, NotTried: append([]string{}, r.NotTried...), Differences: each(r.Differences, differenceOf, true),
		WithData: r.WithData, Ended: r.Ended,
	}
	if d := r.Data; d != nil {
		doc.Data = &rehearsedDataDoc{d.Tables, d.Rows, d.Bytes, d.Objects, seconds(d.Copy), seconds(d.Compare)}
	}
	if doc.Compared == nil {
		doc.Compared = map[string]int{}
	}
	return writeJSON(w, doc)
}
