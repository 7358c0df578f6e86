package spec

import (
	"fmt"
	"strings"
)

func didYouMean(text string, choices []string, otherwise string) string {
	if near := Nearest(text, choices); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return otherwise
}

// fold makes kube-context, kube_context and KubeContext one word.
func fold(s string) string {
	return strings.ToLower(withoutDashes.Replace(s))
}

var withoutDashes = strings.NewReplacer("-", "", "_", "")

// Nearest is the choice that a mistyped word is likely to mean; "" when none is
// near.
func Nearest(word string, choices []string) string {
	return nearest(word, choices, max(2, len(word)/3))
}

// nearest is the choice with the smallest edit distance, or a choice that the
// word abbreviates; "" when none is near.
func nearest(word string, choices []string, limit int) string {
	word = fold(word)
	if len(word) > maxShown {
		return ""
	}
	best, at := "", limit+1
	for _, c := range choices {
		d := distance(word, fold(c))
		if d > limit && len(word) >= 4 && strings.HasPrefix(fold(c), word) {
			d = limit
		}
		if d < at && d < len(fold(c)) {
			best, at = c, d
		}
	}
	return best
}

// distance is the edit distance, with a swap of neighbours counted as one.
func distance(a, b string) int {
	prev2, prev := []int(nil), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, row
	}
	return prev[len(b)]
}
