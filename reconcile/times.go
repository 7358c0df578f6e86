package reconcile

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Times are said here for every page: a range that is expected by Span and About, a
// time that was measured by Took.

// Span says a range of time the way people do: "up to 1 s", "2 to 45 s",
// "50 s to 4 min". The low end is rounded down, the high end up.
func Span(low, high time.Duration) string {
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

// About puts "about" before a range that does not say "up to" by itself.
func About(low, high time.Duration) string {
	text := Span(low, high)
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

// Took prints a measured time the way people say it: "0.4 s", "38 s",
// "2 min 05 s", "1 h 03 min".
func Took(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}
