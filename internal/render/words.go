package render

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// span says a range of time the way people do: "up to 1 s", "2 to 45 s",
// "50 s to 4 min". The low end is rounded down, the high end up.
func span(low, high time.Duration) string {
	l, lu := rough(low, math.Floor)
	h, hu := rough(high, math.Ceil)
	switch {
	case h == 0:
		return "no time"
	case l == 0:
		return fmt.Sprintf("up to %d %s", h, hu)
	case lu != hu:
		return fmt.Sprintf("%d %s to %d %s", l, lu, h, hu)
	case l == h:
		return fmt.Sprintf("%d %s", h, hu)
	}
	return fmt.Sprintf("%d to %d %s", l, h, hu)
}

// about puts "about" before a range that does not say "up to" by itself.
func about(low, high time.Duration) string {
	text := span(low, high)
	if strings.HasPrefix(text, "up to") || text == "no time" {
		return text
	}
	return "about " + text
}

// rough rounds to what an estimate can promise: 5 s above 20 s, whole minutes
// above 90 s, whole hours above two.
func rough(d time.Duration, round func(float64) float64) (int, string) {
	switch s := d.Seconds(); {
	case s < 20:
		return int(round(s)), "s"
	case s < 90:
		return int(round(s/5)) * 5, "s"
	case s < 2*3600:
		return int(round(s / 60)), "min"
	default:
		return int(round(s / 3600)), "h"
	}
}

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
