package render

import (
	"fmt"
	"time"
)

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
