package reconcile

import (
	"fmt"
	"strings"
)

// listed is a list inside a sentence. A finding has two sentences: one with all
// of the list, for JSON and --details, and one with its first few.
type listed struct {
	all   []string
	first int
	sep   string
}

// some lists everything, and in short the first n.
func some(all []string, n int) listed { return listed{all, n, ", "} }

// someSentences is some for entries that have commas themselves.
func someSentences(all []string, n int) listed { return listed{all, n, "; "} }

// String is the whole list.
func (l listed) String() string { return strings.Join(l.all, l.sep) }

func (l listed) short() string { return strings.Join(clip(l.all, l.first), l.sep) }

// sentences formats both; the short one is empty where it would say the same.
func sentences(format string, args ...any) (whole, short string) {
	cut := make([]any, len(args))
	for i, a := range args {
		cut[i] = a
		switch a := a.(type) {
		case listed:
			cut[i] = a.short()
		case worded:
			cut[i] = a.word + a.names.short()
		}
	}
	whole, short = fmt.Sprintf(format, args...), fmt.Sprintf(format, cut...)
	if short == whole {
		short = ""
	}
	return whole, short
}

// worded is a list with a word before it.
type worded struct {
	word  string
	names listed
}

// String is the word and the whole list.
func (w worded) String() string { return w.word + w.names.String() }
